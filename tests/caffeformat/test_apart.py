"""What crashes a reader, hangs it or fills the memory ends in an error with the file's name."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import pytest

from caffeformat import FormatError, apart, read_caffemodel
from caffeformat.apart import run_apart

READER = """
class Refused(Exception):
    pass
def double(values, data):
    return {"size": len(data), **values}, data * 2
def where(values, data):
    import os, sys
    return [os.getpid(), sys.path], b""
def noise(values, data):
    print("noise"); import os; os.write(1, b"noise"); os.write(2, b"noise")
    return None, b""
def crash(values, data):
    import ctypes; ctypes.string_at(0)
def abort(values, data):
    import os; os.abort()
def leave(values, data):
    import os; os._exit(3)
def hang(values, data):
    while True: pass
def refuse(values, data):
    raise Refused("holds no image")
def fail(values, data):
    raise KeyError("x")
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    path = tmp_path_factory.mktemp("reader") / "reader.py"
    path.write_text(READER)
    return str(path)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("crash", "is damaged or of another kind: reading it ends the process .*SIGSEGV"),
        ("abort", "SIGABRT"),
        ("leave", "status 3"),
        ("hang", "took longer than 1 seconds"),
        ("refuse", "^file.mat: holds no image$"),
        ("fail", "'x'"),
    ],
)
def test_whatever_happens_is_told(reader, function, words):
    with pytest.raises(FormatError, match=words) as caught:
        run_apart("file.mat", reader, function, {}, seconds=1)
    assert str(caught.value).startswith("file.mat: ")
    assert run_apart("x", reader, "double", {"a": 1}, b"ab") == ({"size": 2, "a": 1}, b"abab")


def test_one_process_serves_all_threads_and_what_it_prints_harms_nothing(reader):
    assert run_apart("x", reader, "noise", {}) == (None, b"")
    (first, _), _ = run_apart("x", reader, "where", {})
    seen, data = set(), os.urandom(300_000)

    def work():
        for _ in range(5):
            assert run_apart("x", reader, "double", {}, data)[1] == data * 2
            seen.add(run_apart("x", reader, "where", {})[0][0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {first}


def test_signals_for_the_parent_and_an_early_end_are_no_faults_of_the_file(reader):
    pid = run_apart("x", reader, "where", {})[0][0]
    os.kill(pid, signal.SIGINT)
    assert run_apart("x", reader, "where", {})[0][0] == pid
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        with open(f"/proc/{pid}/stat") as file:
            if file.read().split(") ")[1][0] == "Z":
                break
    assert run_apart("x", reader, "where", {})[0][0] != pid


def test_an_interrupted_answer_is_not_taken_for_the_next_one(reader, monkeypatch):
    first = run_apart("x", reader, "where", {})[0][0]
    waiting = apart._await

    def interrupted(end, event, deadline):
        raise KeyboardInterrupt

    monkeypatch.setattr(apart, "_await", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_apart("x", reader, "hang", {})
    monkeypatch.setattr(apart, "_await", waiting)
    assert run_apart("x", reader, "where", {}, seconds=20)[0][0] != first


def test_more_than_the_pipes_hold_goes_through(reader):
    data = os.urandom(5 << 20)
    assert run_apart("x", reader, "double", {}, data)[1] == data * 2


def test_a_process_that_takes_nothing_is_ended_in_time(reader):
    pid = run_apart("x", reader, "where", {})[0][0]
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(FormatError, match="took longer than"):
        run_apart("x", reader, "double", {}, os.urandom(5 << 20), seconds=0.3)
    assert run_apart("x", reader, "double", {}, b"a")[1] == b"aa"


def _pid(reader, answers):
    answers.put(run_apart("x", reader, "where", {})[0][0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_its_own(reader):
    mine = run_apart("x", reader, "where", {})[0][0]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_pid, args=(reader, answers))
    process.start()
    assert answers.get(timeout=60) != mine
    process.join()
    assert run_apart("x", reader, "where", {})[0][0] == mine


def test_nothing_is_imported_from_the_working_folder_and_nobody_stays(reader, tmp_path):
    (tmp_path / "json.py").write_text("open('imported', 'w')")
    code = (
        "from caffeformat.apart import run_apart; import sys\n"
        f"print(run_apart('x', {reader!r}, 'where', {{}})[0][0])"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {root!r}\n{code}"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not (tmp_path / "imported").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), signal.SIGCONT)


def test_hdf5_is_checked_once_per_file(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "w.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/conv/0"] = [1.0, 2.0]
        file["loop/deep"] = h5py.SoftLink("/")
    assert read_caffemodel(path)["conv"][0].tolist() == [1, 2]
    monkeypatch.setattr("caffeformat.weights.hdf5.run_apart", None)
    assert read_caffemodel(path)["conv"][0].tolist() == [1, 2]
