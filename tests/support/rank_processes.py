"""Training runs in several processes, found by a mark in their environment: watched and killed."""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid

from caffeformat.processes import run_module

_MARK = "FCNKIT_TEST_MARK"


class MarkedRun:
    """A command of fcnkit or torchcaffe, with all the processes that it starts.

    `torchrun`: arguments of torchrun, which then starts it. What they leave in the folder for
    temporary files is in `temporary`.
    """

    def __init__(self, folder, *command, torchrun=None):
        self.mark = uuid.uuid4().hex
        self.temporary = tempfile.mkdtemp(dir=folder)
        words = [*run_module(command[0]), *map(str, command[1:])]
        if torchrun is not None:
            launcher = run_module("torch.distributed.run")
            words = [*launcher, "--log-dir", os.devnull, *torchrun, "--no-python"] + [
                sys.executable,
                *words,
            ]
        self.out = open(os.path.join(folder, f"out-{self.mark}"), "w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stdout=self.out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, _MARK: self.mark, "TMPDIR": self.temporary, "OMP_NUM_THREADS": "1"},
        )
        atexit.register(self.kill_all)

    def processes(self):
        """Process id -> its environment, of all that run."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/environ", "rb") as file:
                    pairs = file.read().decode(errors="replace").split("\0")
                settings = dict(pair.partition("=")[::2] for pair in pairs)
                if settings.get(_MARK) == self.mark:
                    found[int(name)] = settings
        return found

    def ranks(self):
        """Rank -> process id, of those that run."""
        return {int(e["RANK"]): pid for pid, e in self.processes().items() if "RANK" in e}

    def kill(self, rank):
        """Kill the process of that rank; returns whether it was there."""
        pid = self.ranks().get(rank)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pid is not None

    def interrupt(self):
        """Press Ctrl-C: a signal to the command's own group of processes."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, timeout=150):
        """Wait for its end; returns its exit status and what it printed."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise
        self.out.seek(0)
        return status, self.out.read()

    def kill_all(self):
        """Kill all that still run."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def leaves_nobody(self, seconds=5):
        """Whether all processes end within so many seconds; those that do not are killed."""
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        left = self.processes()
        self.kill_all()
        return not left

    def leaves_no_file(self):
        """Whether the folder for temporary files is empty, but for PyTorch's own cache."""
        names = os.listdir(self.temporary)
        return all(name.startswith("torchinductor_") for name in names)


def wait_for(path, text, seconds=90):
    """Wait until the file at `path` holds `text`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.path.exists(path):
            with open(path, errors="replace") as file:
                if text in file.read():
                    return
        time.sleep(0.02)
    raise AssertionError(f"no {text!r} in {path} after {seconds} seconds")
