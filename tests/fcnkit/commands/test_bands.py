"""From folders to an exported net with four channels and with ten bands, command by command."""

import json
import re

import numpy as np
import pytest
from bands import as_tiff, net_text, sample, write_bands
from PIL import Image
from tiny_segmentation import write_solver

from caffeformat import read_caffemodel
from fcnkit.commands import main
from fcnkit.images import read_label
from fcnkit.runtimes.onnx_session import OnnxSession

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_engine")]

CASES = {"rgbd": (4, np.uint8, "1,2,3"), "bands": (10, np.uint16, "4,3,2")}


def run(command, *arguments):
    assert main.run_module(f"fcnkit.commands.{command}", list(map(str, arguments))) == 0


@pytest.fixture(params=CASES)
def case(request, tmp_path, monkeypatch):
    """(channels, dtype, bands) with TIFFs in the folder `data` and a solver beside it."""
    monkeypatch.chdir(tmp_path)
    channels, dtype, bands = CASES[request.param]
    write_bands("data", channels, dtype, as_tiff, train=8, val=3)
    most = float(np.iinfo(dtype).max)
    write_solver(tmp_path, net_text(-0.3 * most, 3 / most), max_iter=40)
    return channels, dtype, bands


def miou(path):
    with open(path) as file:
        return json.load(file)["mean_iou"]


@pytest.mark.parametrize("layer", ["Data", "SegmentationData"])
def test_train_resume_score_infer_export_and_back(case, capsys, layer):
    channels, dtype, bands = case
    augment = ["--augment", "flip=yes", "scale=0.9:1.1"] if layer == "SegmentationData" else []
    run("check_dataset", "data", "--sheet", "folder.png", "--bands", bands)
    run("create_lmdb", "data", "db", "--bands", bands)
    run("check_dataset", "db", "--sheet", "sheet.png")
    source = "db" if layer == "Data" else "data"
    train = ["train", "solver.prototxt", "-o", "run", "--data", source, *augment]
    run(*train, "--iterations", "20")
    run(*train, "--resume", "--iterations", "40")
    for name, data in (("db", "db"), ("folders", "data")):
        run("score", "--run", "run", "--data", data, "--json", f"{name}.json")
    assert miou("db.json") == miou("folders.json") > 0.85
    image, label = sample(np.random.RandomState(5), channels, dtype)
    as_tiff("new", image)
    run("infer", "new.tif", "--run", "run", "-o", "out", "--save-scores")
    mask = read_label("out/new.png")
    assert (mask == label)[label != 255].mean() > 0.9
    with Image.open("out/new_overlay.png") as overlay:
        assert overlay.size == (32, 24) and overlay.mode == "RGB"
    net, weights = "run/deploy.prototxt", "run/snap_iter_40.caffemodel"
    run("export", net, weights, "net.onnx", "--check-size", "24x32")
    options = ["--preprocess", "--argmax", "--depth", np.dtype(dtype).name]
    run("export", net, weights, "image.onnx", *options, "--check-size", "24x32")
    session = OnnxSession("image.onnx")
    assert (session.image_depth, session.channels) == (np.dtype(dtype).name, channels)
    assert (session.run([image]) == mask).mean() > 0.999
    run("compare_models", "new.tif", "--first", "run", "--second", "net.onnx",
        "--depth", np.dtype(dtype).name, "--classes", "db/classes.txt")  # fmt: skip
    run("export", net, "net.onnx", "back.caffemodel")
    back, there = read_caffemodel("back.caffemodel"), read_caffemodel(weights)
    for name in ("conv1", "score"):
        for one, other in zip(back[name], there[name]):
            assert np.array_equal(one, other)
    assert back["conv1"][0].shape[1] == channels


def test_a_mean_of_many_values_goes_all_the_way(case):
    channels = case[0]
    run("create_lmdb", "data", "db")
    with open("db/mean.txt") as file:
        values = file.readlines()[1].split()
    assert len(values) == channels
    with open("net.prototxt") as file:
        text = file.read()
    means = "".join(f" mean_value: {value}" for value in values)
    text = re.sub(r"shift: -[\d.e+]+", "shift: 0", text)
    text = text.replace('top: "data"', f'top: "data" transform_param {{{means} }}')
    with open("net.prototxt", "w") as file:
        file.write(text)
    run("train", "solver.prototxt", "-o", "run", "--data", "db", "--iterations", "40")
    with open("run/inference.json") as file:
        mean = json.load(file)["mean"]
    assert np.allclose(mean, [float(value) for value in values], rtol=1e-6)
    run("score", "--run", "run", "--data", "db", "--json", "scores.json")
    assert miou("scores.json") > 0.6
    net, weights = "run/deploy.prototxt", "run/snap_iter_40.caffemodel"
    run("score", "--net", net, "--weights", weights, "--mean", "db/mean.txt", "--data", "db",
        "--json", "files.json", "--depth", CASES_BY_CHANNELS[channels])  # fmt: skip
    assert miou("files.json") == miou("scores.json")


CASES_BY_CHANNELS = {4: "uint8", 10: "uint16"}
