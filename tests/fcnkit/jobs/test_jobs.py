"""Jobs: their folders, the line, and what is left when servers, supervisors or commands die."""

import json
import os
import signal
import time

import pytest
from forked_supervisor import Forked

from caffeformat import InputError
from fcnkit.jobs import Evidence, Jobs, Line, Step, line, processes, records, store

# Runs until it is asked to stop; then it ends as a command does on Ctrl-C.
ENDLESS = """
import time, sys
open('began', 'w').close()
try:
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
# Runs on when it is asked to stop.
DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + ENDLESS
DONE = "pass"


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(line, "start_supervisor", Forked)
    found = Jobs(tmp_path / "jobs")
    yield found
    for _, state in found.all():
        for process in (state.supervisor, state.process):
            if process:
                processes.signal_process(process, signal.SIGKILL)
    found.close()


def add(jobs, *codes, lane="cpu", name="a job", **more):
    steps = [Step(f"step {i}", [code], **more) for i, code in enumerate(codes)]
    return jobs.add(jobs.new_id(), "model", name, lane, steps)


def until(line, condition, seconds=20):
    """Let the line look again and again until `condition()` is met."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, [state for _, state in line._jobs.all()]
        time.sleep(0.02)
        line.look()


def state(jobs, job):
    return jobs.get(job.id)[1]


def text_of(jobs, job, name):
    with open(jobs.path(job.id, name)) as file:
        return file.read()


def test_steps_run_in_order_and_the_log_keeps_their_words(jobs):
    job = add(jobs, "print('one')", "print('two')")
    waiting = Line(jobs)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert state(jobs, job).state == "done" and state(jobs, job).exit == 0
    log = text_of(jobs, job, "log.txt")
    assert log.index("one") < log.index("two")
    text = json.loads(text_of(jobs, job, "job.json"))
    assert text["name"] == "a job" and len(text["steps"]) == 2


def test_one_of_a_lane_runs_at_a_time_the_oldest_first(jobs):
    first, second = add(jobs, ENDLESS), add(jobs, DONE)
    other = add(jobs, DONE, lane="data")
    waiting = Line(jobs)
    until(waiting, lambda: os.path.exists(jobs.path(first.id, "began")))
    until(waiting, lambda: state(jobs, other).state == "done")
    assert [state(jobs, job).state for job in (first, second)] == ["running", "waiting"]
    jobs.stop(first.id)
    until(waiting, lambda: state(jobs, second).state == "done")
    assert state(jobs, first).state == "aborted"


def test_a_job_that_failed_says_why_and_goes_on_at_that_step(jobs):
    job = add(
        jobs, "open('first', 'a').write('x')",
        "import os, sys\nif not os.path.exists('mended'): sys.exit('error: it is broken')",
    )  # fmt: skip
    waiting = Line(jobs)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert (state(jobs, job).state, state(jobs, job).words) == ("error", "it is broken")
    open(jobs.path(job.id, "mended"), "w").close()
    jobs.go_on(job.id)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert state(jobs, job).state == "done"
    assert text_of(jobs, job, "first") == "x"


def test_a_step_may_ask_before_the_next_one(jobs):
    job = add(jobs, "import sys; sys.exit(1)", "open('second', 'w')", pause_on=[1])
    waiting = Line(jobs)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert (state(jobs, job).state, state(jobs, job).step) == ("paused", 1)
    jobs.go_on(job.id)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert os.path.exists(jobs.path(job.id, "second"))


def test_running_jobs_are_found_again(jobs, tmp_path):
    job = add(jobs, ENDLESS)
    until(Line(jobs), lambda: os.path.exists(jobs.path(job.id, "began")))
    jobs.close()
    again = Jobs(tmp_path / "jobs")
    anew = Line(again)
    until(anew, lambda: state(again, job).state == "running" and state(again, job).process)
    again.stop(job.id)
    until(anew, lambda: not state(again, job).is_active)
    assert state(again, job).state == "aborted"
    again.close()


def test_a_command_that_is_killed_is_an_error_in_words(jobs):
    job = add(jobs, ENDLESS)
    waiting = Line(jobs)
    until(waiting, lambda: os.path.exists(jobs.path(job.id, "began")) and state(jobs, job).process)
    processes.signal_process(state(jobs, job).process, signal.SIGKILL)
    until(waiting, lambda: not state(jobs, job).is_active)
    assert state(jobs, job).state == "error" and "SIGKILL" in state(jobs, job).words


def test_a_supervisor_that_is_killed_loses_nothing(jobs):
    waits = "import time, os\nwhile not os.path.exists('go'): time.sleep(.02)\n"
    code = waits + "open('result', 'w').write('all done')"
    evidence = [
        None, Evidence("result"), Evidence("result", "all done"), Evidence("result", "never")
    ]  # fmt: skip
    each = [add(jobs, code, lane=str(i), evidence=found) for i, found in enumerate(evidence)]
    waiting = Line(jobs)
    until(waiting, lambda: all(state(jobs, job).process for job in each))
    for job in each:
        processes.signal_process(state(jobs, job).supervisor, signal.SIGKILL)
    waiting.look()
    assert [state(jobs, job).state for job in each] == ["running"] * 4  # the commands go on
    for job in each:
        open(jobs.path(job.id, "go"), "w").close()
    until(waiting, lambda: not any(state(jobs, job).is_active for job in each))
    assert [state(jobs, job).state for job in each] == ["error", "done", "done", "error"]
    assert "without a word" in state(jobs, each[0]).words


@pytest.mark.parametrize("orphan", [False, True])
def test_a_job_is_ended_that_does_not_stop_when_asked(jobs, monkeypatch, orphan):
    monkeypatch.setattr(store, "_PATIENCE", (0.1, 20))
    job = add(jobs, DEAF)
    waiting = Line(jobs)
    until(waiting, lambda: os.path.exists(jobs.path(job.id, "began")) and state(jobs, job).process)
    running = state(jobs, job)
    if orphan:
        processes.signal_process(running.supervisor, signal.SIGKILL)
        until(waiting, lambda: not running.supervisor.is_alive)
    waiting.start()
    try:
        jobs.end(job.id)
    finally:
        waiting.close()
    assert state(jobs, job).state == "aborted" and not running.process.is_alive


def test_ending_a_job_waits_for_no_more_than_seconds(jobs, monkeypatch):
    monkeypatch.setattr(store, "_PATIENCE", (0.01, 0.01))
    job = add(jobs, DONE)
    jobs.end(job.id)
    assert state(jobs, job).state == "aborted"
    jobs.end(job.id)
    jobs.end("20000101-000000-0000")
    monkeypatch.setattr(jobs, "stop", lambda _: None)
    jobs.go_on(job.id)
    with pytest.raises(InputError, match="does not end"):
        jobs.end(job.id)


def test_a_number_that_another_process_has_by_now_is_left_alone(jobs):
    mine = processes.running(os.getpid())
    assert mine.is_alive
    other = processes.Running(os.getpid(), "0")
    assert not other.is_alive and not processes.signal_process(other, signal.SIGKILL)


def test_a_folder_has_one_holder(jobs, tmp_path):
    with pytest.raises(InputError, match="another server"):
        Jobs(tmp_path / "jobs")


def test_names_are_text_and_ids_no_paths(jobs):
    job = add(jobs, DONE, name="../..\n\x1b[31m<b>" + "n" * 500)
    assert "\n" not in job.name and len(job.name) <= 200
    for id_ in ("..", "../x", "trash", job.id + "/..", "", ".held"):
        assert jobs.get(id_) is None
        with pytest.raises(ValueError):
            jobs.path(id_)
    assert jobs.change(job.id, notes="why").notes == "why"
    assert jobs.change(job.id, name="new").name == "new"
    assert jobs.get(job.id)[0].notes == "why"


def test_the_trash_gives_back_what_it_got(jobs):
    job = add(jobs, DONE)
    with pytest.raises(InputError, match="abort it first"):
        jobs.throw_away(job.id)
    jobs.stop(job.id)
    jobs.throw_away(job.id)
    assert jobs.get(job.id) is None and [found.id for found in jobs.trash()] == [job.id]
    jobs.restore(job.id)
    assert state(jobs, job).state == "aborted"
    jobs.throw_away(job.id)
    jobs.empty_trash()
    assert not jobs.trash() and not jobs.all()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"steps": 3}', "\x00", '{"a":' * 5000])
def test_texts_that_were_spoilt_do_not_stop_the_others(jobs, text):
    good, bad = add(jobs, DONE), add(jobs, DONE)
    for name in (records.JOB, records.STATE):
        with open(jobs.path(bad.id, name), "w") as file:
            file.write(text)
    until(Line(jobs), lambda: state(jobs, good).state == "done")
    found, broken = jobs.get(bad.id)
    assert "cannot be read" in found.fault and broken.state == "error"
    with pytest.raises(InputError):
        jobs.change(bad.id, name="x")
    jobs.throw_away(bad.id)
