"""What a supervisor does with a job's commands and how it words their ends, in this process."""

import json
import os
import signal
import sys
import time

import pytest

from fcnkit.jobs import Evidence, Jobs, Step, records, supervisor


@pytest.fixture
def jobs(tmp_path):
    found = Jobs(tmp_path / "jobs")
    yield found
    found.close()


@pytest.fixture(autouse=True)
def handlers(monkeypatch):
    """Commands are Python code, and this process keeps its signal handlers; yields the others."""
    installed = {}
    monkeypatch.setattr(supervisor.signal, "signal", installed.__setitem__)
    monkeypatch.setattr(
        supervisor, "python_command", lambda _, code: [sys.executable, "-S", "-E", "-c", *code]
    )
    return installed


def add(jobs, *steps):
    steps = [Step(f"step {i}", [code], **more) for i, (code, more) in enumerate(steps)]
    return jobs.add(jobs.new_id(), "model", "a job", "cpu", steps)


def run(jobs, job):
    """Run a job's commands; returns the state in which they leave it."""
    supervisor.Supervisor(jobs.path(job.id)).run()
    return records.read_state(jobs.path(job.id))


def log_of(jobs, job):
    with open(jobs.path(job.id, "log.txt")) as file:
        return file.read()


def test_commands_run_in_the_jobs_folder_and_the_log_keeps_their_words(jobs, handlers):
    told = "import os; print(os.getcwd()); print(os.environ['FCNKIT_PROGRESS'])"
    job = add(jobs, (told, {}), ("import sys; sys.exit(print('second', file=sys.stderr))", {}))
    with open(jobs.path(job.id, "progress.json"), "w") as file:
        file.write("of an earlier command")
    state = run(jobs, job)
    assert (state.state, state.step, state.exit, state.words) == ("done", 1, 0, "")
    assert state.begun and state.supervisor is None and state.process is None
    here = jobs.path(job.id)
    lines = log_of(jobs, job).splitlines()
    assert lines[:3] == [f"$ fcnkit {told}", here, os.path.join(here, "progress.json")]
    assert lines[-1] == "second" and not os.path.exists(os.path.join(here, "progress.json"))
    assert handlers[signal.SIGINT] == signal.SIG_DFL  # it may have been ignored before


def test_the_state_names_supervisor_and_command_while_it_runs(jobs):
    code = (
        "import shutil, time\n"
        "while open('state.json').read().count('\"pid\"') < 2: time.sleep(.002)\n"
        "shutil.copy('state.json', 'seen.json')"
    )
    job = add(jobs, (code, {}))
    assert run(jobs, job).state == "done"
    with open(jobs.path(job.id, "seen.json")) as file:
        seen = json.load(file)
    assert seen["state"] == "running" and seen["supervisor"]["pid"] == os.getpid()
    assert seen["process"]["pid"] != os.getpid() and seen["process"]["started"]


@pytest.mark.parametrize(
    "code, words",
    [
        ("import sys; print('note'); sys.exit('error: it is broken')", "it is broken"),
        ("raise SystemExit(3)", None),  # the last line of the log is the command itself
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL, perhaps for lack of memory"),
        ("import os; os.kill(os.getpid(), 15)", "its process was ended by SIGTERM"),
    ],
)
def test_a_command_that_failed_ends_the_job_with_its_words(jobs, code, words):
    job = add(jobs, (code, {}), ("open('second', 'w')", {}))
    state = run(jobs, job)
    assert (state.state, state.step) == ("error", 0) and state.exit
    assert state.words.endswith(words or f"$ fcnkit {code}")
    assert not os.path.exists(jobs.path(job.id, "second"))


def test_a_status_that_is_accepted_goes_on_and_one_to_pause_on_asks(jobs):
    there, absent = Evidence("done.txt"), Evidence("absent.txt")
    makes = "import sys; open('done.txt', 'w'); sys.exit(%d)"
    ends = [
        ({"accept_on": [4], "evidence": there}, ("done", 1)),
        ({"accept_on": [4], "evidence": absent}, ("error", 0)),
        ({"accept_on": [5], "evidence": there}, ("error", 0)),
        ({"pause_on": [4], "evidence": there}, ("paused", 1)),
        ({"pause_on": [4], "evidence": absent}, ("error", 0)),
    ]
    for more, expected in ends:
        job = add(jobs, (makes % 4, more), ("pass", {}))
        state = run(jobs, job)
        assert (state.state, state.step) == expected, more


STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: open('asked', 'w'))
open('began', 'w')
while True: time.sleep(0.002)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
open('began', 'w')
time.sleep(60)
"""


@pytest.mark.parametrize(
    "code, signs, status",
    [(POLITE, ["began"], 130), (STUBBORN, ["began", "asked"], -signal.SIGKILL)],
)
def test_the_first_request_to_stop_is_ctrl_c_the_second_an_end(
    jobs, monkeypatch, code, signs, status
):
    job = add(jobs, (code, {}), ("open('second', 'w')", {}))
    watched = supervisor.Supervisor(jobs.path(job.id))
    wait = supervisor.subprocess.Popen.wait

    def wait_and_ask(child, *args):
        for sign in signs:
            while not os.path.exists(jobs.path(job.id, sign)):
                time.sleep(0.002)
            watched._stop(signal.SIGTERM, None)
        return wait(child, *args)

    monkeypatch.setattr(supervisor.subprocess.Popen, "wait", wait_and_ask)
    watched.run()
    state = records.read_state(jobs.path(job.id))
    assert (state.state, state.exit) == ("aborted", status)
    assert not os.path.exists(jobs.path(job.id, "second"))


def test_nothing_starts_after_a_request_to_stop(jobs):
    job = add(jobs, ("open('first', 'w')", {}))
    watched = supervisor.Supervisor(jobs.path(job.id))
    watched._stop(signal.SIGTERM, None)
    watched.run()
    state = records.read_state(jobs.path(job.id))
    assert (state.state, state.exit) == ("aborted", 130)
    assert not os.path.exists(jobs.path(job.id, "first"))


def test_a_job_that_does_not_wait_is_left_as_it_is(jobs):
    job = add(jobs, ("open('first', 'w')", {}))
    jobs.stop(job.id)
    before = records.read_state(jobs.path(job.id))
    assert run(jobs, job) == before
    assert not os.path.exists(jobs.path(job.id, "first"))


def test_last_words_are_those_of_the_last_error(tmp_path):
    log = tmp_path / "log.txt"

    def words(text, status):
        log.write_text(text)
        return supervisor._last_words(str(tmp_path), status)

    assert words("error: old\nerror: new\nnote\n\n", 1) == "new"
    assert words("note\nlast line\n\n", 1) == "last line"
    assert words("error: too far\n" + "note\n" * 20, 1) == "note"
    assert words("", 7) == "its process ended with status 7"
    assert words("note", -11) == "its process was ended by SIGSEGV"
    assert words("note", -200) == "its process was ended by signal 200"


def test_one_supervisor_holds_a_job_and_the_command_line_names_it(jobs, monkeypatch):
    job = add(jobs, ("pass", {}))
    folder = jobs.path(job.id)
    monkeypatch.chdir(os.path.dirname(folder))
    monkeypatch.setattr(sys, "argv", ["supervisor", os.path.basename(folder)])
    with supervisor.job_lock(folder) as is_ours:
        assert is_ours
        with supervisor.job_lock(folder) as is_mine:
            assert not is_mine
        assert supervisor.main() == 0
        assert records.read_state(folder).state == "waiting"
    assert supervisor.main() == 0
    assert records.read_state(folder).state == "done"
