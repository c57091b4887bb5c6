"""What does not stop the line: full disks, folders that are gone or changed by hand."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import time

import pytest
from forked_supervisor import Forked

from caffeformat import InputError
from fcnkit.jobs import Jobs, Line, State, Step, line, records, store, supervisor

DONE = [Step("a step", ["pass"])]
FULL = InputError("state.json: writing failed: No space left on device")


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(line, "start_supervisor", Forked)
    found = Jobs(tmp_path / "jobs")
    yield found
    found.close()


def add(jobs, steps=DONE):
    return jobs.add(jobs.new_id(), "model", "a job", "cpu", steps)


def until_done(waiting, jobs, job, seconds=20):
    end = time.monotonic() + seconds
    while jobs.get(job.id)[1].state != "done":
        assert time.monotonic() < end, jobs.get(job.id)
        time.sleep(0.02)
        waiting.look()


def test_a_job_that_cannot_be_started_stops_no_other(jobs, monkeypatch):
    """Its own folder's trouble is written down; the next one of its lane gets its turn."""
    broken, good = add(jobs), add(jobs)

    def start(folder):
        if folder == jobs.path(broken.id):
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        return Forked(folder)

    monkeypatch.setattr(line, "start_supervisor", start)
    until_done(Line(jobs), jobs, good)
    found = jobs.get(broken.id)[1]
    assert found.state == "error" and "could not be started: Is a directory" in found.words


def test_a_full_disk_passes(jobs, monkeypatch):
    """Nothing starts while the disk is full, nothing is given up, and the line's thread lives."""
    job = add(jobs)
    full = [True]

    def start(folder):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return Forked(folder)

    monkeypatch.setattr(line, "start_supervisor", start)
    waiting = Line(jobs)
    waiting.look()
    assert jobs.get(job.id)[1].state == "waiting"
    full[0] = False
    until_done(waiting, jobs, job)


def test_an_end_that_cannot_be_written_down_is_later(jobs, monkeypatch):
    """A job died while the disk was full: others are looked after, it is told of afterwards."""
    died = add(jobs, [])
    jobs.write(died.id, State("running", since=records.now()))
    with monkeypatch.context() as patched:

        def refuse(*_):
            raise FULL

        patched.setattr(store, "write_state", refuse)
        waiting = Line(jobs)
        waiting.look()
        assert jobs.get(died.id)[1].state == "running"
        monkeypatch.setattr(line, "_SECONDS", 0.01)
        patched.setattr(waiting, "look", refuse)
        waiting.start()
        time.sleep(0.05)
        assert waiting._thread.is_alive()
        waiting.close()
    Line(jobs).look()
    assert jobs.get(died.id)[1].state == "error"


def test_a_supervisor_that_failed_is_not_started_again_unseen(jobs, monkeypatch):
    """Its end cannot be written down: a second one would be started at each look."""
    job, started = add(jobs), []

    def start(folder):
        started.append(folder)
        return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])

    monkeypatch.setattr(line, "start_supervisor", start)
    waiting = Line(jobs)
    waiting.look()
    waiting._started[job.id].wait()
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "write", lambda *_: (_ for _ in ()).throw(FULL))
        for _ in range(3):
            waiting.look()
    assert len(started) == 1
    waiting.look()
    assert jobs.get(job.id)[1].state == "error" and len(started) == 1


def test_a_command_ends_whose_start_cannot_be_written_down(jobs, monkeypatch):
    """It would go on unseen, and the job's next start would run a second one beside it."""
    job = add(jobs)
    began = []
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(supervisor, "python_command", lambda *_: sleeping)
    real = subprocess.Popen

    def popen(*args, **more):
        began.append(real(*args, **more))
        return began[-1]

    def refuse(*_):
        raise FULL

    monkeypatch.setattr(supervisor.subprocess, "Popen", popen)
    monkeypatch.setattr(supervisor, "write_state", refuse)
    monkeypatch.setattr(supervisor.signal, "signal", lambda *_: None)
    with pytest.raises(InputError):
        supervisor.Supervisor(jobs.path(job.id)).run()
    assert began[0].wait(10) < 0


def test_a_deleted_jobs_folder_does_not_come_back(jobs):
    job = add(jobs)
    assert os.path.isdir(jobs.make_folder(job.id, "tests", "x"))
    assert jobs.make_folder(job.id, "tests", "x") == jobs.path(job.id, "tests", "x")
    jobs.stop(job.id)
    jobs.throw_away(job.id)
    with pytest.raises(InputError, match="is not there any more"):
        jobs.make_folder(job.id, "tests", "x")
    assert not os.path.exists(jobs.path(job.id))


def test_restoring_overwrites_nothing(jobs):
    job = add(jobs)
    jobs.stop(job.id)
    jobs.throw_away(job.id)
    os.mkdir(jobs.path(job.id))
    with open(jobs.path(job.id, "mine"), "w") as file:
        file.write("x")
    with pytest.raises(InputError, match="cannot be restored"):
        jobs.restore(job.id)
    assert os.listdir(jobs.path(job.id)) == ["mine"] and jobs.trash_ids() == [job.id]


def test_a_trash_that_was_removed_by_hand_is_empty(jobs):
    shutil.rmtree(os.path.join(jobs.folder, "trash"))
    assert jobs.trash_ids() == []
    job = add(jobs)
    jobs.stop(job.id)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(jobs.folder, "trash"))
    jobs.throw_away(job.id)
    assert jobs.trash_ids() == [job.id]
