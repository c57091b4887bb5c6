"""What may stand where files of a job are expected: other kinds, other texts, other values."""

import json
import os

import pytest

from caffeformat import InputError
from fcnkit.jobs import Jobs, Line, Running, line, records, tail

GOOD = {"state": "done", "step": 0}
ODD_TEXTS = {
    "nothing": b"",
    "no text": b"\xff\xfe\x00{",
    "no JSON": b"{",
    "no object": b"[1]",
    "depth": b'{"a":' * 100_000,
    "digits": b'{"step": ' + b"9" * 10_000 + b"}",
}


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(line, "start_supervisor", None)
    found = Jobs(tmp_path / "jobs")
    yield found
    found.close()


def put(path, what):
    """Put something else in the place of a file."""
    if os.path.lexists(path):
        os.remove(path)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        os.mkdir(path)
    elif what == "device":
        os.symlink("/dev/zero", path)
    elif what == "size":
        with open(path, "wb") as file:
            file.truncate(1 << 40)  # takes no room on the disk
    else:
        with open(path, "wb") as file:
            file.write(ODD_TEXTS[what])


ODD = ["pipe", "folder", "device", "size", *ODD_TEXTS]


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("name", [records.JOB, records.STATE])
def test_what_is_no_text_of_a_job_is_told_at_once(jobs, name, what):
    job = jobs.add(jobs.new_id(), "model", "x", "cpu", [])
    put(jobs.path(job.id, name), what)
    found, state = jobs.get(job.id)
    said = found.fault if name == records.JOB else state.words
    assert f"{name} cannot be read" in said
    if name == records.STATE:
        assert state.state == "error"


@pytest.mark.parametrize(
    "change",
    [
        {"state": "flying"}, {"state": None}, {"step": -3}, {"step": "x"}, {"step": 1e999},
        {"exit": "x"}, {"exit": -1e999}, {"process": 3}, {"supervisor": {"pid": 1e999}},
        {"process": {"pid": [], "started": ""}},
    ],
)  # fmt: skip
def test_values_that_no_state_has(jobs, change):
    job = jobs.add(jobs.new_id(), "model", "x", "cpu", [])
    with open(jobs.path(job.id, records.STATE), "w") as file:
        json.dump({**GOOD, **change}, file)
    assert "is not a state" in jobs.get(job.id)[1].words
    Line(jobs).look()


@pytest.mark.parametrize("pid", [0, -1, 10**30])
def test_numbers_that_no_process_has(pid):
    assert not Running(pid, "1").is_alive


@pytest.mark.parametrize(
    "steps",
    [3, [1], [{}], [{"title": "x", "arguments": 3}],
     [{"title": "x", "arguments": [], "evidence": {"text": "x"}}],
     [{"title": "x", "arguments": [], "pause_on": [1e999]}]],
)  # fmt: skip
def test_steps_that_no_job_has(jobs, steps):
    job = jobs.add(jobs.new_id(), "model", "x", "cpu", [])
    path = jobs.path(job.id, records.JOB)
    with open(path) as file:
        data = json.load(file)
    with open(path + "2", "w") as file:
        json.dump({**data, "steps": steps}, file)
    os.replace(path + "2", path)
    assert "is not a job" in jobs.get(job.id)[0].fault


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_the_end_of_what_is_no_file_is_empty(tmp_path, what):
    put(tmp_path / "log.txt", what)
    assert tail(str(tmp_path / "log.txt")) == ""


@pytest.mark.parametrize("what", ["pipe", "folder", "device"])
def test_the_mark_of_the_holder_is_a_file(tmp_path, what):
    put(tmp_path / ".held", what)
    with pytest.raises(InputError, match="held: is"):
        Jobs(tmp_path)
