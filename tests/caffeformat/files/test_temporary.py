"""Locks end with their process; only what is ours is removed; what was replaced comes back."""

import multiprocessing
import os
import subprocess

import pytest
from own_processes import code, run_killed

from caffeformat import InputError
from caffeformat.files import (
    TemporaryFolder,
    claimed_folder,
    entries_of,
    is_within,
    locked,
    refuse_overlap,
)

PROGRAM = "import os, sys\nfrom caffeformat.files import *\nos.chdir(sys.argv[1])\n"


def publish(path, names, replace="all"):
    folder = TemporaryFolder(path)
    try:
        for name in names:
            with open(os.path.join(folder.path, name), "w") as file:
                file.write("new")
        folder.publish(replace)
    finally:
        folder.remove()


def test_folders_are_replaced_whole_or_by_entry(tmp_path):
    out = tmp_path / "out"
    publish(out, "ab")
    assert sorted(os.listdir(out)) == ["a", "b"]
    publish(out, "c")
    assert os.listdir(out) == ["c"]
    (out / "a").write_text("old")
    (out / "c").write_text("old")
    publish(out, "ab", "entries")
    assert {name: (out / name).read_text() for name in "abc"} == {
        "a": "new",
        "b": "new",
        "c": "old",
    }
    with pytest.raises(OSError, match="not empty"):
        publish(out, "d", "nothing")
    assert sorted(os.listdir(out)) == ["a", "b", "c"]
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_to_a_folder_stays(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    publish(tmp_path / "out", "a")
    assert (tmp_path / "out").is_symlink() and os.listdir(tmp_path / "disk") == ["a"]


def test_a_folder_of_our_name_without_our_mark_stays(tmp_path):
    place = tmp_path / ".out.0123456789abcdef.fcnkit-folder"
    (place / "new").mkdir(parents=True)
    (place / "new" / "theirs").write_text("of somebody else")
    (place / "owner").write_text("not our mark, however long this text may be: " + "x" * 100)
    assert entries_of(tmp_path) == []
    assert (place / "new" / "theirs").read_text() == "of somebody else"


def test_only_marked_folders_of_dead_processes_are_removed(tmp_path):
    kept = [
        "out.partial", "out.replaced", "before-x", ".out.tmp", ".a.0123456789abcdef.fcnkit",
        ".out.0123456789abcdef.fcnkit-folder",
    ]  # fmt: skip
    for name in kept:
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis").touch()
    run_killed(PROGRAM + "TemporaryFolder('x'); os.kill(os.getpid(), 9)", tmp_path)
    alive = TemporaryFolder(tmp_path / "y")
    publish(tmp_path / "out", "a")
    assert os.path.isdir(alive.path)
    alive.remove()
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "out"])
    assert all((tmp_path / name / "thesis").exists() for name in kept)


@pytest.mark.parametrize("replace", ["entries", "all"])
@pytest.mark.parametrize(
    "moves", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
def test_what_a_killed_process_had_replaced_comes_back(tmp_path, replace, moves):
    out = tmp_path / "out"
    publish(out, "ab")
    text = PROGRAM + (
        f"left, whole, half = {moves}, os.rename, os.replace\n"
        "def counted(move):\n"
        "    def moved(*paths):\n"
        "        global left\n"
        "        if not left: os.kill(os.getpid(), 9)\n"
        "        left -= 1; move(*paths)\n"
        "    return moved\n"
        "folder = TemporaryFolder('out')\n"
        "open(folder.path + '/a', 'w').write('newer'); os.rename = counted(os.rename)\n"
        f"os.replace = counted(os.replace); folder.publish({replace!r}); os.kill(os.getpid(), 9)"
    )
    run_killed(text, tmp_path)
    publish(tmp_path / "other", "x")
    assert sorted(os.listdir(tmp_path)) == ["other", "out"]
    is_new = moves == 2
    assert (out / "a").read_text() == ("newer" if is_new else "new")
    assert (out / "b").exists() == (replace == "entries" or not is_new)


def test_a_second_process_is_told_in_words(tmp_path):
    text = PROGRAM + "with locked('out'):\n    print('ready', flush=True); input()"
    with subprocess.Popen(
        code(text, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        told = rf"another process \({process.pid}\) is writing"
        with pytest.raises(InputError, match=told), locked(tmp_path / "out"):
            pass
        with locked(tmp_path / "out2"):
            pass
        process.kill()
    with locked(tmp_path / "out"):
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_a_forked_process_does_not_keep_the_lock(tmp_path):
    text = PROGRAM + (
        "with locked('out'):\n"
        "    if not os.fork():\n"
        "        print('ready', flush=True); sys.stdin.read(); os._exit(0)\n"
        "    os.kill(os.getpid(), 9)"
    )
    with subprocess.Popen(
        code(text, tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with locked(tmp_path / "out"):
            pass


def _take(path, queue):
    for _ in range(50):
        try:
            with locked(path):
                with open(f"{path}.inside", "x"):
                    pass
                os.unlink(f"{path}.inside")
        except InputError:
            continue
    queue.put("done")


def test_a_lock_is_held_by_one_at_a_time(tmp_path):
    queue = multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=_take, args=(str(tmp_path / "a"), queue)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert os.listdir(tmp_path) == []


def test_a_claimed_folder_that_stays_empty_is_removed(tmp_path):
    with claimed_folder(tmp_path / "a" / "b"):
        assert entries_of(tmp_path / "a" / "b") == []
        with (
            pytest.raises(InputError, match="is writing there"),
            claimed_folder(tmp_path / "a" / "b"),
        ):
            pass
    assert os.listdir(tmp_path / "a") == []
    with claimed_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").touch()
    assert os.listdir(tmp_path / "a" / "b") == ["file"]
    with (
        pytest.raises(InputError, match="cannot write here"),
        claimed_folder(tmp_path / "a" / "b" / "file"),
    ):
        pass


def test_inputs_and_outputs_stay_apart(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "in" / "a.tar").touch()
    refuse_overlap(tmp_path / "in2", [tmp_path / "in", None, tmp_path / "missing"])
    for output, given, problem in (
        ("in", "in/a.tar", "lies in the output"),
        ("in", "link", "is the output"),
        ("link/out", "in", "lies in the input"),
        ("in", "in/deep", "lies in the output"),
    ):
        with pytest.raises(InputError, match=problem):
            refuse_overlap(tmp_path / output, [tmp_path / given])
    folder = TemporaryFolder(tmp_path / "x")
    with pytest.raises(InputError, match="left-over of a killed process"):
        refuse_overlap(tmp_path / "out", [folder.path])
    folder.remove()
    assert is_within(tmp_path / "link" / "deep", tmp_path / "in")
    assert not is_within(tmp_path / "in2", tmp_path / "in")
