"""No command writes into what it reads, removes what is not its own, or shares an output."""

import os
import subprocess

import numpy as np
import pytest
from own_processes import code
from PIL import Image
from tiny_segmentation import write_dataset, write_solver

from caffeformat import write_caffemodel
from fcnkit.commands import main


@pytest.fixture
def voc(tmp_path, monkeypatch):
    """The current folder, with a dataset `voc` in it."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "voc", train=2, val=1)
    return tmp_path / "voc"


def test_create_lmdb_keeps_its_input(voc, capsys, tree):
    os.rename("voc", "voc.partial")
    before = tree(voc.parent)
    assert main.main(["create_lmdb", "voc.partial", "voc"]) == 0
    assert {f"voc.partial/{name}" for name in tree(voc.parent / "voc.partial")} == set(before)
    os.rename("voc.partial", "lmdb.replaced")
    for _ in range(2):
        assert main.main(["create_lmdb", "lmdb.replaced", "lmdb", "--force"]) == 0
    assert len(tree(voc.parent / "lmdb.replaced")) == len(before)
    assert sorted(os.listdir()) == ["lmdb", "lmdb.replaced", "voc"]


@pytest.mark.parametrize(
    "output", ["voc", "voc/lmdb", "voc/train", "voc/train/images/x", ".", "link"]
)
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_an_output_in_an_input_is_refused(voc, capsys, tree, output, force):
    os.symlink("voc", "link")
    before = tree(voc)
    assert main.main(["create_lmdb", "voc", output, *force]) == 1
    assert "choose another output" in capsys.readouterr().err
    assert tree(voc) == before


def test_a_list_of_classes_in_the_output_stays(voc, capsys, tree):
    os.mkdir("lmdb")
    os.rename("voc/classes.txt", "lmdb/classes.txt")
    before = tree(voc.parent)
    command = ["create_lmdb", "voc", "lmdb", "--classes", "lmdb/classes.txt", "--force"]
    assert main.main(command) == 1
    assert "lmdb/classes.txt: lies in the output lmdb" in capsys.readouterr().err
    assert tree(voc.parent) == before


def test_archives_and_weights_stay(voc, capsys, tree):
    os.mkdir("out")
    (voc.parent / "out" / "a.tar").touch()
    (voc.parent / "out" / "w.pth").touch()
    for command in (
        ["prepare_pascal_voc_data", "out/a.tar", "out", "--force"],
        ["prepare_pascal_voc_data", "voc", "voc/out"],
        ["prepare_sbd_data", "out/a.tar", "out", "--force"],
        ["prepare_sbd_data", "voc", "out2", "--voc", "out2"],
        ["prepare_nyud_data", "out/a.tar", "out", "--force"],
        ["prepare_siftflow_data", "out/a.tar", "out", "--force"],
        ["convert_weights", "out/w.pth", "out", "--force"],
    ):
        before = tree(voc.parent)
        assert main.main(command) == 1, command
        assert tree(voc.parent) == before, command


@pytest.mark.usefixtures("needs_engine")
def test_a_run_does_not_replace_its_own_files(voc, capsys, tree):
    write_solver(voc.parent)
    (voc.parent / "lmdb").mkdir()
    before = tree(voc.parent)
    for output in (".", "voc", "voc/run", "lmdb/.."):
        assert main.main(["train", "solver.prototxt", "--data", "voc", "-o", output]) == 1
        message = capsys.readouterr().err
        assert "choose another output" in message, message
        assert tree(voc.parent) == before


def test_infer_does_not_replace_images(voc, capsys, tree):
    (voc.parent / "net.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param '
        "{ shape { dim: 1 dim: 3 dim: 8 dim: 8 } } } "
        'layer { name: "score" type: "Convolution" bottom: "data" top: "score" '
        "convolution_param { num_output: 2 kernel_size: 1 } }"
    )
    blobs = [np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)]
    write_caffemodel("w.caffemodel", {"score": blobs})
    os.mkdir("photos")
    Image.new("RGB", (8, 8)).save("photos/a.png")
    before = tree(voc.parent)
    start = ["infer", "--net", "net.prototxt", "--weights", "w.caffemodel", "--force"]
    for arguments, problem in (
        (["photos", "-o", "photos"], "photos: is the output photos"),
        (["photos", "-o", "photos/masks"], "lies in the input photos"),
        (
            ["photos/a.png", "-o", "photos"],
            "photos/a.png: is an input, which its mask would replace",
        ),
        (["photos", "-o", "."], "photos: lies in the output"),
    ):
        assert main.main([*start, *arguments]) == 1
        assert problem in capsys.readouterr().err
        assert tree(voc.parent) == before


@pytest.mark.slow
def test_two_processes_on_one_output(voc, capsys):
    program = (
        "from fcnkit.files import output_folder\n"
        "with output_folder('lmdb') as folder:\n    print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        code(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        for force in ([], ["--force"]):
            assert main.main(["create_lmdb", "voc", "lmdb", *force]) == 1
            error = capsys.readouterr().err
            assert f"another process ({process.pid}) is writing there" in error
        process.kill()
    assert main.main(["create_lmdb", "voc", "lmdb"]) == 0
    assert sorted(os.listdir()) == ["lmdb", "voc"]


@pytest.mark.slow
@pytest.mark.usefixtures("needs_engine")
def test_two_runs_in_one_folder(voc, capsys):
    write_solver(voc.parent)
    program = (
        "from caffeformat.files import claimed_folder\n"
        "with claimed_folder('run'):\n    print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        code(program), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        for more in ([], ["--force"], ["--resume"]):
            assert main.main(["train", "solver.prototxt", "--data", "voc", "-o", "run", *more]) == 1
            assert f"another process ({process.pid}) is writing" in capsys.readouterr().err
        process.kill()
