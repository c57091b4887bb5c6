"""Commands write through pipes, devices and links, and never put a file in their place."""

import json
import os
import stat
import subprocess

import numpy as np
import pytest
from own_processes import module, run_killed
from PIL import Image

from caffeformat import read_caffemodel, write_caffemodel
from fcnkit.commands import main
from fcnkit.images import voc_palette, write_label

pytest.importorskip("torch")
from torchcaffe.commands import main as caffe

NET = """name: "one"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 } }
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder: a net and its weights, masks and labels, a pipe and links."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    blobs = [np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)]
    write_caffemodel("w.caffemodel", {"score": blobs})
    for folder in ("masks", "labels"):
        os.mkdir(folder)
        write_label(f"{folder}/a.png", np.zeros((4, 4), np.uint8), voc_palette())
    os.mkfifo("pipe")
    os.symlink("/dev/null", "null")
    os.symlink("behind", "link")
    return tmp_path


SCORE = ["score", "--predictions", "masks", "--labels", "labels", "--json"]


@pytest.mark.parametrize("name", ["null", "/dev/null"])
def test_a_device_stays_one(here, name):
    assert main.main([*SCORE, name]) == 0
    assert caffe(["upgrade_net_proto_text", "net.prototxt", name]) == 0
    assert caffe(["upgrade_net_proto_binary", "w.caffemodel", name]) == 0
    assert stat.S_ISCHR(os.stat(name).st_mode) and os.path.islink("null")


def test_a_link_is_followed_and_stays(here):
    assert main.main([*SCORE, "link"]) == 0
    assert os.path.islink("link") and "mean_iou" in json.loads((here / "behind").read_text())
    assert main.main([*SCORE, "link"]) == 1  # exists by now
    assert caffe(["upgrade_net_proto_text", "net.prototxt", "link"]) == 0
    assert os.path.islink("link") and "Convolution" in (here / "behind").read_text()
    os.symlink("deep.safetensors", "w.safetensors")
    os.symlink("deep.h5", "w.h5")
    for ending in ("safetensors", "h5"):
        assert main.main(["export", "net.prototxt", "w.caffemodel", f"w.{ending}"]) == 0
        assert os.path.islink(f"w.{ending}") and os.path.getsize(f"deep.{ending}")


def test_a_pipe_that_nobody_reads_is_refused(here, capsys):
    for command in (SCORE, [*SCORE[:-1], "--force", "--json"]):
        assert main.main([*command, "pipe"]) == 1
        assert "pipe: is a pipe that nobody reads" in capsys.readouterr().err
    os.mkfifo("w.onnx")
    assert main.main(["export", "net.prototxt", "w.caffemodel", "w.onnx", "--no-check"]) == 1
    assert caffe(["upgrade_net_proto_text", "net.prototxt", "pipe"]) == 1
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_the_standard_output(here):
    done = subprocess.run(
        module("fcnkit", *SCORE, "/dev/stdout"), capture_output=True, text=True, check=True
    )
    table, _, data = done.stdout.partition("{")
    assert "mean IoU" in table and "mean_iou" in json.loads("{" + data)


@pytest.mark.parametrize(
    "name",
    [
        "/dev/zero",
        "pipe",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("labels", "none")),
    ],
)
def test_inputs_are_files(here, capsys, name):
    weights = ["--net", "net.prototxt", "--weights", "w.caffemodel"]
    os.mkdir("photos")
    Image.new("RGB", (8, 8)).save("photos/a.png")
    for command in (
        ["infer", *weights, "photos", "-o", "out", "--classes", name],
        ["infer", *weights, "photos", "-o", "out", "--palette", name],
        ["infer", *weights, "photos", "-o", "out", "--mean", name],
        ["infer", *weights, name, "-o", "out"] if name != "labels" else ["infer", name],
        ["infer", "--net", name, "--weights", "w.caffemodel", "photos", "-o", "out"],
        ["infer", "--net", "net.prototxt", "--weights", name, "photos", "-o", "out"],
        ["infer", "--digits-model", name, "photos", "-o", "out"],
        ["export", "net.prototxt", name, "out.safetensors"],
        ["export", name, "w.caffemodel", "out.safetensors"],
        ["convert_weights", name, "out"],
        ["prepare_pascal_voc_data", name, "out"],
        ["draw_net", name, "out.png"],
        ["train", name, "-o", "out"],
    ):
        try:
            assert main.main(command) == 1, command
        except SystemExit as error:
            assert error.code == 2
        assert "Traceback" not in capsys.readouterr().err
        assert not os.path.exists("out"), command
    assert read_caffemodel("w.caffemodel")


def test_what_a_killed_export_left_is_removed(here):
    # A process of an earlier export: its file is there, and nobody holds it.
    program = (
        "import os, sys\nfrom fcnkit import export\nfrom fcnkit.commands import main\n"
        "export.write_parameters = lambda path, *_, **__: (open(path, 'w').write('half'),"
        " os.kill(os.getpid(), 9))\nmain.main(sys.argv[1:])"
    )
    before = sorted(os.listdir())
    command = ["export", "net.prototxt", "w.caffemodel", "w.safetensors"]
    run_killed(program, *command)
    assert len(os.listdir()) == len(before) + 1
    assert main.main(command) == 0
    assert sorted(os.listdir()) == sorted([*before, "w.safetensors"])
