"""Input that cannot become databases is reported, and nothing is lost or left behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from lmdb_folders import build, make_folders, photo
from voc_archive import IDS, encoded

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.data_prep.lmdb import encoding
from fcnkit.datasets import find_pairs
from fcnkit.images import read_class_names, voc_class_names, voc_palette


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "either DATA or"),
        (["--images", "a"], "go together"),
        (["DATA", "--val-percent", "20"], "their own folder"),
        (["DATA", "--val-percent", "100"], "0 to 99"),
    ],
)
def test_arguments_that_do_not_fit_are_reported(voc_folders, tmp_path, capsys, arguments, words):
    arguments = [str(voc_folders) if a == "DATA" else a for a in arguments]
    at = 1 if arguments and not arguments[0].startswith("-") else 0
    arguments.insert(at, str(tmp_path / "db"))
    assert main.main(["create_lmdb", *arguments]) == 1
    assert words in capsys.readouterr().err


def test_there_is_at_least_one_process(voc_folders, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main.main(["create_lmdb", str(voc_folders), str(tmp_path / "db"), "--workers", "0"])
    assert "--workers: expected a number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["create_lmdb", "check_dataset", "score"])
def test_class_names_in_another_order_than_the_colour_maps_are_refused(tmp_path, command, capsys):
    label = np.array([[[0, 0, 0], [9, 9, 9]]], np.uint8)
    data = make_folders(tmp_path / "in", [photo(2, 1)], [label])
    (tmp_path / "map.csv").write_text("name,r,g,b\ncat,0,0,0\nsky,9,9,9\n")
    arguments = {
        "create_lmdb": [data, tmp_path / "db", "--val-percent", "0"],
        "check_dataset": [data],
        "score": ["--predictions", data / "labels", "--labels", data / "labels"],
    }[command]
    arguments = list(map(str, [command, *arguments, "--colour-map", tmp_path / "map.csv"]))
    (tmp_path / "names.txt").write_text("sky\ncat\n")
    assert main.main([*arguments, "--classes", str(tmp_path / "names.txt")]) == 1
    assert "class 'cat' is on line 0 of the colour map" in capsys.readouterr().err
    (tmp_path / "names.txt").write_text("\n".join(voc_class_names()[::-1]))
    vocs = [*arguments[:-1], "voc", "--classes", str(tmp_path / "names.txt")]
    assert main.main(vocs) == 1 and "'background' is on line 0" in capsys.readouterr().err
    (tmp_path / "names.txt").write_text("cat\nair\n")
    assert main.main([*arguments, "--classes", str(tmp_path / "names.txt")]) == 0
    if command == "create_lmdb":
        assert main.main([*arguments, "--force"]) == 0
        assert read_class_names(tmp_path / "db" / "classes.txt") == ["cat", "sky"]
        assert "no class names" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["create_lmdb", "check_dataset"])
def test_class_names_in_another_order_than_the_folders_are_refused(tmp_path, command, capsys):
    data = make_folders(tmp_path / "in", [photo(2, 1)], [np.array([[0, 1]], np.uint8)])
    (data / "classes.txt").write_text("cat\nsky\n")
    (tmp_path / "names.txt").write_text("sky\ncat\n")
    database = [tmp_path / "db", "--val-percent", "0"] if command == "create_lmdb" else []
    arguments = list(map(str, [command, data, *database, "--classes", tmp_path / "names.txt"]))
    assert main.main(arguments) == 1
    assert "in another order" in capsys.readouterr().err
    (tmp_path / "names.txt").write_text("cat\nair\n")
    assert main.main(arguments) == 0


def test_labels_past_the_classes_are_named_with_their_position(tmp_path):
    classes = np.zeros((10, 20))
    classes[4, 7] = 21
    folder = make_folders(tmp_path / "in", [photo()] * 2, [np.zeros((10, 20)), classes])
    with pytest.raises(InputError, match=r"001\.png: label 21 at x=7, y=4 .* 21 classes"):
        build(folder, tmp_path / "db", classes=voc_class_names())
    manifest = build(folder, tmp_path / "db")
    assert len(manifest["classes"]) == 22


def test_labels_with_another_palette_are_counted(tmp_path, capsys):
    other = voc_palette().copy()
    other[1] = 9
    classes = np.ones((10, 20), np.uint8)
    labels = [encoded(classes, "PNG", palette) for palette in (voc_palette(), other)]
    folder = make_folders(tmp_path / "in", [photo()] * 2, labels)
    assert main.main(["create_lmdb", str(folder), str(tmp_path / "db"), "--val-percent", "0"]) == 0
    assert "1 of its labels have other colours" in capsys.readouterr().err


def test_images_without_label_and_labels_without_image_are_named(voc_folders, tmp_path):
    images, labels = voc_folders / "train" / "images", voc_folders / "train" / "labels"
    (labels / "2007_000002.png").rename(tmp_path / "kept.png")
    with pytest.raises(InputError, match=r"2007_000002\.jpg: there is no label"):
        find_pairs(images, labels)
    (tmp_path / "kept.png").rename(labels / "2007_000002.png")
    (images / "2007_000001.jpg").unlink()
    with pytest.raises(InputError, match=r"2007_000001\.png: there is no image"):
        find_pairs(images, labels)


def test_differing_sizes_are_named(tmp_path):
    folder = make_folders(tmp_path / "in", [photo()], [np.zeros((10, 21))])
    with pytest.raises(InputError, match=r"000\.png.*21 x 10.*000\.png 20 x 10"):
        build(folder, tmp_path / "db")


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_damaged_file_is_named(voc_folders, tmp_path, workers):
    for id_ in IDS["train"][1:]:
        path = voc_folders / "train" / "images" / f"{id_}.jpg"
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"2007_000002\.jpg: the image is damaged"):
        build(voc_folders, tmp_path / "db", encoding="jpeg", workers=workers)
    assert sorted(os.listdir(tmp_path)) == ["voc", "voc.tar"]


@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_wrong_crc_is_not_passed_on(tmp_path, kind):
    folder = make_folders(tmp_path / "in", [photo()], [np.zeros((10, 20))])
    path = folder / kind / "000.png"
    data = bytearray(path.read_bytes())
    data[data.index(b"IEND") - 5] ^= 1  # the last byte of the pixels' CRC
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"{kind}/000\.png.*damaged"):
        build(folder, tmp_path / "db")


def test_absurd_sizes_are_refused(tmp_path):
    data = bytearray(encoded(photo(), "PNG"))
    data[16:24] = b"\0\0\xc3\x50" * 2
    folder = make_folders(tmp_path / "in", [photo(), bytes(data)], [np.zeros((10, 20))] * 2)
    with pytest.raises(InputError, match=r"001\.png"):
        build(folder, tmp_path / "db", workers=2)


def test_a_full_folder_is_kept_unless_forced(voc_folders, tmp_path, capsys, tree):
    out = tmp_path / "db"
    out.mkdir()
    (out / "notes.txt").write_text("notes")
    assert main.main(["create_lmdb", str(voc_folders), str(out)]) == 1
    assert "--force" in capsys.readouterr().err
    assert tree(out) == {"notes.txt": b"notes"}
    assert main.main(["create_lmdb", str(voc_folders), str(out), "--force"]) == 0
    assert {"notes.txt", "train_db/features/data.mdb", "manifest.json"} <= set(tree(out))


def test_no_space_left_is_reported_and_cleaned_up(tmp_path, small_disk, capsys):
    photos = [photo(300, 300, seed=i) for i in range(6)]
    folder = make_folders(tmp_path / "in", photos, [np.zeros((300, 300))] * 6)
    assert main.main(["create_lmdb", str(folder), str(small_disk / "db")]) == 1
    assert "the disk is full" in capsys.readouterr().err
    assert os.listdir(small_disk) == []


def test_a_killed_run_leaves_nothing_under_the_final_name(voc_folders, tmp_path, tree):
    program = (
        "import os, signal, sys; from fcnkit.data_prep.lmdb.dataset import *;"
        "train, val = find_splits(sys.argv[1]);"
        "progress = Progress();"
        "progress.step = lambda done, *_: done == 2 and os.kill(os.getpid(), signal.SIGKILL);"
        "create_lmdb(train, val, sys.argv[2], workers=2, progress=progress)"
    )
    out = tmp_path / "db"
    command = [sys.executable, "-c", program, str(voc_folders), str(out)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not out.exists() and list(tmp_path.glob(".db.*.fcnkit-folder"))
    build(voc_folders, out)
    build(voc_folders, tmp_path / "other")
    assert tree(out) == tree(tmp_path / "other")
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.slow
def test_workers_end_when_the_first_process_is_killed(tmp_path):
    program = (
        "import os, signal, sys, time\n"
        "from fcnkit.data_prep.parallel import run_workers\n"
        "class Worker:\n"
        "    def __call__(self, item): return os.getpid()\n"
        "    def summary(self): return None\n"
        "def take(pid):\n"
        "    pids.add(pid)\n"
        "    if len(pids) == 3:\n"
        "        print(*pids, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
        "pids = set()\n"
        "run_workers(Worker, range(10**9), 3, take)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 3
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert done.stderr == ""


def test_a_worker_that_is_killed_is_reported(voc_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "read_bytes", lambda path: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(InputError, match=r"status -9.*smaller workers"):
        build(voc_folders, tmp_path / "db", workers=2)
    assert not (tmp_path / "db").exists()


def test_a_bug_keeps_its_traceback(voc_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "read_bytes", lambda path: [][1])
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*IndexError"):
        build(voc_folders, tmp_path / "db", workers=2)
