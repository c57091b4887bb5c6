"""Files are replaced whole or not at all; links are followed; streams get what is written."""

import os
import stat
import subprocess
import threading

import pytest
from own_processes import code, run_killed

from caffeformat import InputError, atomic_write
from caffeformat.files import atomic_path, check_writable, disk_problem, open_append


def write(path, data=b"new"):
    with atomic_write(path) as file:
        file.write(data)


def write_by_name(path, data=b"new"):
    with atomic_path(path) as name, open(name, "wb") as file:
        file.write(data)


both = pytest.mark.parametrize("writer", [write, write_by_name])


@both
def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path, writer):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    writer(tmp_path / "a")
    writer(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o666 & ~umask
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("opener", [atomic_write, atomic_path])
def test_what_fails_changes_nothing(tmp_path, opener):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ZeroDivisionError), opener(tmp_path / "a"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"


@both
def test_links_are_followed(tmp_path, writer):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("old")
    for link, target in (("one", "two"), ("two", "in/a"), ("new", "in/b"), ("x", "y"), ("y", "x")):
        (tmp_path / link).symlink_to(target)
    writer(tmp_path / "one")
    writer(tmp_path / "new")
    assert sorted(os.listdir(tmp_path / "in")) == ["a", "b"]
    assert (tmp_path / "in" / "a").read_bytes() == (tmp_path / "in" / "b").read_bytes() == b"new"
    assert all((tmp_path / link).is_symlink() for link in ("one", "two", "new"))
    with pytest.raises(InputError, match="in a circle"):
        writer(tmp_path / "x")


@both
def test_a_pipe_gets_the_content(tmp_path, writer):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is a pipe that nobody reads"):
        writer(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    while not got:
        try:
            writer(tmp_path / "pipe", b"x" * 200_000)
            break
        except InputError:
            continue  # it has not opened it yet
    reader.join(10)
    assert got == [b"x" * 200_000]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@both
def test_devices_get_the_content_and_stay(tmp_path, writer):
    (tmp_path / "null").symlink_to("/dev/null")
    writer(tmp_path / "null")
    writer("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and (tmp_path / "null").is_symlink()
    with pytest.raises(InputError, match="/dev/full: writing failed: No space left"):
        writer("/dev/full")


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("opener", ["atomic_write", "atomic_path"])
def test_the_standard_output_is_written_to_not_replaced(tmp_path, opener):
    text = (
        "from caffeformat.files import *\nprint('before')\n"
        f"with {opener}('/dev/stdout') as file:\n"
        "    file = open(file, 'wb') if isinstance(file, str) else file\n"
        "    file.write(b'between\\n'); file.flush()\nprint('after')"
    )
    with open(tmp_path / "out", "wb") as out:
        subprocess.run(code(text), stdout=out, check=True)
    expected = b"before\nbetween\nafter\n"
    assert (tmp_path / "out").read_bytes() == expected
    assert subprocess.run(code(text), stdout=subprocess.PIPE, check=True).stdout == expected


@both
@pytest.mark.parametrize(
    "name, problem",
    [
        (".", "is a folder"),
        ("no/file", "cannot write here"),
        ("a\0b", "cannot hold NUL"),
        ("/proc/1/fd/1", "of another process"),
        ("/dev/fd/999", "Bad file descriptor"),
        ("x" * 300, "File name too long"),
    ],
)
def test_where_nothing_can_be_written(tmp_path, monkeypatch, writer, name, problem):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=problem):
        writer(name)
    assert os.listdir(tmp_path) == []


def test_names_of_255_bytes_can_be_written(tmp_path):
    for name in ("x" * 255, "ü" * 127):
        write(tmp_path / name)
        write_by_name(tmp_path / name)
    assert len(os.listdir(tmp_path)) == 2


def test_check_writable_leaves_nothing(tmp_path):
    (tmp_path / "a").write_text("old")
    for name in ("a", "b", "/dev/null"):
        check_writable(tmp_path / name)
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_text() == "old"
    with pytest.raises(InputError, match="cannot write here"):
        check_writable(tmp_path / "none" / "a")


def test_lines_are_appended_to_files_only(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no file that lines can be appended to"):
        open_append(tmp_path / "pipe")
    for line in "ab":
        with open_append(tmp_path / "log") as file:
            file.write(line)
    assert (tmp_path / "log").read_text() == "ab"


@pytest.mark.parametrize("opener", ["atomic_write", "atomic_path"])
def test_what_killed_processes_left_is_removed_by_the_next(tmp_path, opener):
    text = (
        "import os, sys\nfrom caffeformat.files import *\n"
        f"with {opener}(sys.argv[1]) as file:\n"
        "    file = open(file, 'wb') if isinstance(file, str) else file\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)"
    )
    (tmp_path / "other.tmp").touch()
    write(tmp_path / "a", b"old")
    run_killed(text, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old" and len(os.listdir(tmp_path)) == 3
    write(tmp_path / "b")
    assert sorted(os.listdir(tmp_path)) == ["a", "b", "other.tmp"]


def test_a_full_disk_is_found_behind_other_errors():
    try:
        try:
            raise OSError(28, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected position")  # noqa: B904
    except RuntimeError as error:
        assert disk_problem(error) == "No space left on device"
    assert disk_problem(RuntimeError("file write failed: No space left on device"))
    assert disk_problem(OSError(2, "No such file")) is None
    assert disk_problem(None) is None
