"""A training in processes of its own, to be watched, interrupted and killed."""

import os
import signal
import subprocess
import threading
import time

from own_processes import module

TRAIN = module("torchcaffe", "train", "-solver=solver.prototxt")


class Training:
    """`command` with `flags`, run in `folder`; killed after two minutes at the latest."""

    def __init__(self, folder, *flags, command=TRAIN):
        self.process = subprocess.Popen(
            [*command, *flags],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.killer = threading.Timer(120, self.send_to_all, [signal.SIGKILL])
        self.killer.start()
        self.lines = []

    @property
    def text(self):
        """What it said so far."""
        return "".join(self.lines)

    def wait_for(self, text):
        """The next line with `text` in it."""
        for line in self.process.stderr:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"no {text!r} in:\n{''.join(self.lines[-20:])}")

    def end(self):
        """Wait for its end; returns its exit status."""
        self.lines += self.process.stderr.readlines()
        status = self.process.wait()
        self.killer.cancel()
        return status

    def send_to_all(self, number):
        """Send a signal to all its processes, as Ctrl-C does."""
        os.killpg(self.process.pid, number)

    def leaves_nobody(self):
        """Whether all its processes end within some seconds."""
        for _ in range(100):
            try:
                self.send_to_all(0)
            except ProcessLookupError:
                return True
            time.sleep(0.1)
        return False
