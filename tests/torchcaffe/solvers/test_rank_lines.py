"""Rank processes without processes: their ranks are threads here, and so is their launcher."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
from multiprocessing.connection import Client, Listener

import pytest

from caffeformat import InputError
from torchcaffe.core import LostSolversError
from torchcaffe.solvers import NONE, SNAPSHOT, STOP, ranks, run_ranks
from torchcaffe.solvers import __main__ as processes


class Launcher:
    """In place of the launcher's process: its ranks are threads, named by their numbers."""

    def __init__(self, folder, count, restarts):
        self.stdin, self._folder, self._statuses = None, folder, []
        self._ranks = [
            threading.Thread(target=self._rank, name=str(number), daemon=True)
            for number in range(count)
        ]
        for thread in self._ranks:
            thread.start()

    def _rank(self):
        self._statuses.append(processes.run_rank(self._folder))

    @property
    def returncode(self):
        return max(self._statuses) if len(self._statuses) == len(self._ranks) else None

    def poll(self):
        return self.returncode

    def terminate(self):
        pass  # the ranks end with their lines

    def wait(self, timeout=None):
        pass

    def join(self):
        for thread in self._ranks:
            thread.join(10)
        assert self.returncode is not None


class Environment:
    """The environment that the launcher gives each rank."""

    def __getitem__(self, name):
        assert name == "RANK"
        return threading.current_thread().name


@pytest.fixture
def threads(monkeypatch):
    """Lets ranks be threads; yields the launchers."""
    launchers = []

    def launch(*how):
        launchers.append(Launcher(*how))
        return launchers[-1]

    monkeypatch.setattr(ranks, "_POLL", 0.01)
    monkeypatch.setattr(ranks, "_launch", launch)
    monkeypatch.setattr(processes, "end_with_parent", lambda: None)
    environment = types.SimpleNamespace(environ=Environment(), path=os.path, chdir=os.chdir)
    monkeypatch.setattr(processes, "os", environment)
    yield launchers
    for launcher in launchers:
        launcher.join()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# what ranks do; pickled by their names


def adds(line, one, other):
    line.tell(("rank", line.rank))
    return one + other + 100 * line.rank


def runs_until_asked(line, wanted):
    seen = []
    while wanted not in seen:
        action = line.requested()
        if action != NONE:
            seen.append(action)
        time.sleep(0.002)
    return seen


def fails(line, number):
    raise [
        InputError("net.prototxt: pass {force}", option="force", value=True),
        FileNotFoundError(2, "No such file or directory", "train.log"),
        ZeroDivisionError("a fault of ours"),
        LostSolversError(),
    ][number]


def test_what_rank_0_returns_comes_back_and_what_all_tell_is_heard(threads):
    heard = []
    assert run_ranks(adds, 3, (2, 5), heard=heard.append) == 7
    assert sorted(heard) == [("rank", 0), ("rank", 1), ("rank", 2)]


def test_ranks_work_where_their_caller_does(threads, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_ranks(where, 1, ()) == str(tmp_path)


def where(line):
    return os.getcwd()


@pytest.mark.parametrize("action", [STOP, SNAPSHOT])
def test_an_action_that_is_requested_reaches_rank_0(threads, action):
    waiting = iter([NONE, NONE, action])
    found = run_ranks(runs_until_asked, 1, (action,), lambda: next(waiting, NONE))
    assert found == [action]


def test_a_run_is_asked_to_stop_once_however_often_that_is_requested(threads):
    waiting = iter([SNAPSHOT])
    found = run_ranks(runs_until_asked, 1, (STOP,), lambda: next(waiting, STOP))
    assert found in ([SNAPSHOT, STOP], [STOP])


@pytest.mark.parametrize(
    "number, kind, words",
    [
        (0, InputError, r"net\.prototxt: pass force=True"),
        (1, InputError, r"No such file or directory: 'train\.log'"),
        (2, RuntimeError, r"(?s)solver 0 failed:\nTraceback.*in fails.*ZeroDivisionError: a fault"),
        (3, InputError, "processes could not be started, or were ended"),
    ],
)
def test_what_a_rank_raises_is_raised_here_and_ends_all(threads, number, kind, words):
    with pytest.raises(kind, match=words):
        run_ranks(fails, 1, (number,))
    (launcher,) = threads
    launcher.join()
    assert launcher.returncode == 1  # no rank is started again


def test_an_end_is_explained_by_who_ended_first(tmp_path):
    for text, words in (
        ("1 -9", "the process of solver 1 ended by signal 9"),
        ("0 3", "the process of solver 0 ended with status 3"),
        ("nonsense", "could not be started, or were ended"),
    ):
        (tmp_path / ranks.FAILURES).write_text(text)
        assert words in str(ranks._explain_failure(str(tmp_path)))
    assert "could not be started" in str(ranks._explain_failure(str(tmp_path / "absent")))


# lines


@pytest.fixture
def lines(monkeypatch):
    monkeypatch.setattr(ranks, "_POLL", 0.01)
    with Listener(("127.0.0.1", 0), authkey=b"key") as listener:
        found = ranks._Lines(listener, b"key")
        yield found
        found.close()
        found._thread.join(10)
        assert not found._thread.is_alive()


@contextlib.contextmanager
def rank(lines, number):
    """The other end of the line of a rank that has come."""
    before = len(lines.ranks)
    with Client(lines._listener.address, authkey=lines._key) as line:
        line.send(number)
        until(lambda: len(lines.ranks) > before)
        yield line


def test_rank_0_is_asked_and_a_new_one_is_stopped_again(lines):
    assert not lines.ask(STOP)  # nobody has come
    with rank(lines, 1) as other, rank(lines, 0) as root:
        for action in (SNAPSHOT, SNAPSHOT, STOP, STOP):
            assert lines.ask(action)
        assert [root.recv() for _ in range(3)] == [SNAPSHOT, SNAPSHOT, STOP]
        assert not root.poll(0.02) and not other.poll()
    until(lambda: lines.messages() == [] and not lines.ranks)
    with rank(lines, 0) as again:
        assert lines.ask(STOP) and again.recv() == STOP


def test_messages_come_with_their_rank_and_so_does_an_end(lines):
    assert lines.messages() == []
    with rank(lines, 3) as line:
        assert lines.messages() == []
        line.send(("told", 7))
        assert lines.messages() == [(3, ("told", 7))]
    found = []
    until(lambda: found.extend(lines.messages()) or found)
    assert found == [(3, None)] and not lines.ranks


def test_strangers_get_no_line(lines):
    with pytest.raises(Exception, match=r"digest|closed|reset|rejected"):
        Client(lines._listener.address, authkey=b"another")
    with rank(lines, 0):
        assert list(lines.ranks.values()) == [0]


# launchers


def test_the_launcher_imports_safely_and_shares_out_the_processors(tmp_path, monkeypatch):
    started = {}
    monkeypatch.setattr(ranks.subprocess, "Popen", lambda *a, **k: started.update(k, command=a[0]))
    monkeypatch.setattr(ranks.os, "cpu_count", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"/mine{os.pathsep}")
    ranks._launch(str(tmp_path), 4, 7)
    assert started["command"][0] == sys.executable
    assert started["command"][-4:] == ["launch", str(tmp_path), "4", "7"]
    environment = started["env"]
    assert environment["OMP_NUM_THREADS"] == "3"
    assert (environment["PYTHONPATH"], environment["PYTHONSAFEPATH"]) == ("/mine", "1")
    assert started["start_new_session"]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    ranks._launch(str(tmp_path), 4, 7)
    assert started["env"]["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize("obeys", [True, False])
def test_a_launcher_that_does_not_end_when_told_to_is_killed(obeys):
    done = []

    def wait(timeout=None):
        done.append("wait")
        if timeout is not None and not obeys:
            raise subprocess.TimeoutExpired("launcher", timeout)

    launcher = types.SimpleNamespace(
        poll=lambda: None, terminate=lambda: done.append("terminate"), wait=wait,
        kill=lambda: done.append("kill"), stdin=io.BytesIO(),
    )  # fmt: skip
    ranks._end(launcher)
    assert done == ["terminate", "wait", *([] if obeys else ["kill", "wait"])]
    assert launcher.stdin.closed


def test_ctrl_c_is_for_the_caller_alone(monkeypatch):
    ignored, asked = [], []
    monkeypatch.setattr(processes.signal, "signal", lambda *how: ignored.append(how))
    monkeypatch.setattr(processes, "launch", lambda *how: asked.append(how) or 4)
    monkeypatch.setattr(processes, "run_rank", lambda *how: asked.append(how) or 5)
    assert processes.main(["launch", "folder", "2", "10"]) == 4
    assert processes.main(["rank", "folder"]) == 5
    assert asked == [("folder", 2, 10), ("folder",)]
    numbers = (signal.SIGINT, signal.SIGHUP)
    assert ignored == [(number, signal.SIG_IGN) for number in numbers] * 2


def test_a_launcher_ends_with_its_input(tmp_path, monkeypatch):
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / ranks.JOB).touch()
    ends = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setattr(processes.os, "_exit", ends.append)
    processes._end_with_input(str(folder))
    assert ends == [1] and not folder.exists()


@pytest.fixture
def agent(monkeypatch):
    """In place of torchrun's agent: a dictionary of how it was started, and what it raises."""
    api = pytest.importorskip("torch.distributed.launcher.api")
    asked = {}

    def elastic_launch(config, command):
        def start(*arguments):
            asked.update(config=config, arguments=(command, *arguments))
            if "raises" in asked:
                raise asked["raises"]

        return start

    monkeypatch.setattr(api, "elastic_launch", elastic_launch)
    monkeypatch.setattr(processes, "_end_with_input", lambda folder: None)
    return asked


def test_the_agent_starts_as_many_ranks_as_asked_for(agent, tmp_path):
    assert processes.launch(str(tmp_path), 3, 7) == 0
    config, (command, *arguments) = agent["config"], agent["arguments"]
    assert (config.nproc_per_node, config.max_restarts, config.max_nodes) == (3, 7, 1)
    assert command == sys.executable and arguments[-2:] == ["rank", str(tmp_path)]


@pytest.mark.parametrize(
    "ends, noted",
    [
        ({0: 1, 1: -9, 2: -15}, "1 -9"),  # rank 0 had lost rank 1; the agent ended rank 2
        ({0: -15, 1: 1}, "1 1"),
        ({0: 3, 2: -15}, "0 3"),
    ],
)
def test_the_rank_that_ended_by_itself_is_noted(agent, tmp_path, ends, noted):
    errors = pytest.importorskip("torch.distributed.elastic.multiprocessing.errors")
    agent["raises"] = errors.ChildFailedError.__new__(errors.ChildFailedError)
    agent["raises"].failures = {
        number: types.SimpleNamespace(exitcode=status) for number, status in ends.items()
    }
    assert processes.launch(str(tmp_path), 3, 0) == 1
    assert (tmp_path / ranks.FAILURES).read_text() == noted


def test_an_agent_that_is_told_to_end_notes_nobody(agent, tmp_path):
    elastic = pytest.importorskip("torch.distributed.elastic.multiprocessing")
    agent["raises"] = elastic.SignalException("ends", signal.SIGTERM)
    assert processes.launch(str(tmp_path), 2, 0) == 1
    assert not (tmp_path / ranks.FAILURES).exists()
