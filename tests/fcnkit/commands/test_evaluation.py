"""`infer` and `score` with several passes, confidences, pictures, and nets that take some sizes."""

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

from caffeformat import Weights, parse_text, pb, write_caffemodel
from fcnkit.commands import main
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.inference import Evaluation, Segmenter

pytestmark = pytest.mark.usefixtures("needs_engine")

# Red, green and blue win where they are strongest; sides are multiples of 4.
NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 16, 16] } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 1 bias_term: false } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
  pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "up"
  convolution_param { num_output: 3 kernel_size: 4 stride: 4 group: 3 bias_term: false } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "up" top: "score" }
"""
NETWORK = ["--net", "net.prototxt", "--weights", "w.caffemodel", "--classes", "names.txt"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n")
    kernel = np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1) / 64
    up = np.full((3, 1, 4, 4), 0.1, np.float32)
    write_caffemodel(
        "w.caffemodel", Weights({"c": [kernel], "up": [up]}), parse_text(NET, pb.NetParameter)
    )
    os.makedirs("voc/val/images")
    os.makedirs("voc/val/labels")
    random = np.random.RandomState(0)
    for number, shape in enumerate([(30, 41), (17, 22), (60, 90)]):
        image = random.randint(0, 256, (*shape, 3)).astype(np.uint8)
        image[:, : shape[1] // 3, 0] = 255
        Image.fromarray(image).save(f"voc/val/images/{number}.png")
        label = image.argmax(2).astype(np.uint8)
        label[: 5 * number] = 1
        write_label(f"voc/val/labels/{number}.png", label, voc_palette())
    return tmp_path


def infer(*arguments):
    return main.run_module(
        "fcnkit.commands.infer", ["voc/val/images", "-o", "out", *NETWORK, *arguments]
    )


def score(*arguments):
    return main.run_module(
        "fcnkit.commands.score",
        ["--images", "voc/val/images", "--labels", "voc/val/labels", *NETWORK, *arguments],
    )


def read(name):
    return np.asarray(Image.open(f"voc/val/images/{name}.png"))


@pytest.mark.slow
def test_images_of_sizes_that_the_net_does_not_take(here, capsys):
    assert infer() == 0 and score("--json", "s.json") == 0
    segmenter = Segmenter("net.prototxt", "w.caffemodel")
    for name in "012":
        assert np.array_equal(read_label(f"out/{name}.png"), segmenter.class_map(read(name)))
    assert len(json.loads((here / "s.json").read_text())["images"]) == 3


@pytest.mark.slow
def test_several_passes(here):
    plan = ["--scales", "0.5:1.75", "--flip", "--window", "24"]
    assert infer(*plan, "--save-scores", "float32", "--confidence") == 0
    scales = (0.5, 0.75, 1, 1.25, 1.5, 1.75)
    segmenter = Segmenter("net.prototxt", "w.caffemodel", evaluation=Evaluation(scales, True, 24))
    for name in "012":
        expected = segmenter.scores(read(name))
        with np.load(f"out/{name}_scores.npz") as saved:
            assert np.abs(saved["scores"] - expected).max() < 1e-4
            assert np.abs(saved["scores"].sum(0) - 1).max() < 1e-5
        confidence = Image.open(f"out/{name}_confidence.png")
        assert confidence.mode == "L"
        assert np.abs(np.asarray(confidence) / 255 - expected.max(0)).max() <= 0.5 / 255 + 1e-4
    assert score(*plan, "--json", "s.json") == 0
    once = json.loads((here / "s.json").read_text())["confusion"]
    assert score("--json", "plain.json") == 0
    assert once != json.loads((here / "plain.json").read_text())["confusion"]


@pytest.mark.slow
def test_several_images_at_a_time_give_what_one_gives(here, capsys):
    for number in (3, 4, 5):  # neighbours of one size
        for kind in ("images", "labels"):
            os.link(f"voc/val/{kind}/2.png", f"voc/val/{kind}/{number}.png")
    for plan in ([], ["--scale-to", "20"], ["--window", "24", "--flip"]):
        assert infer(*plan, "--force") == 0
        masks = {name: read_label(f"out/{name}.png") for name in "012345"}
        assert score(*plan, "--json", "one.json", "--force") == 0
        one = (here / "one.json").read_text()
        assert infer(*plan, "--batch", "4", "--force") == 0
        assert score(*plan, "--batch", "4", "--json", "four.json", "--force") == 0
        assert (here / "four.json").read_text() == one
        assert all(np.array_equal(read_label(f"out/{n}.png"), mask) for n, mask in masks.items())


@pytest.mark.slow
def test_what_is_uncertain_is_left_out(here, capsys):
    assert infer("--confidence", "--at-least", "0.6") == 0
    assert "ignore" in capsys.readouterr().out
    for name in "012":
        mask = read_label(f"out/{name}.png")
        found = Segmenter("net.prototxt", "w.caffemodel").predict(read(name), confidence=True)
        assert np.array_equal(mask, np.where(found.confidence < 0.6, 255, found.mask))
        assert 0 < (mask == 255).mean() < 1
        entries = json.loads((here / f"out/{name}.json").read_text())["classes"]
        assert (255, "ignore") in [(entry["index"], entry["name"]) for entry in entries]
    os.mkdir("labels")
    for name in "012":
        os.link(f"voc/val/labels/{name}.png", f"labels/{name}.png")
    assert infer("--confidence", "--force") == 0
    options = ["--predictions", "out", "--labels", "labels", "--classes", "3"]
    assert main.run_module("fcnkit.commands.score", options) == 0  # confidences are no masks


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scales", "2:1"], "scales '2:1': expected factors such as 0.75,1,1.25"),
        (["--scales", "0.001"], "scale 0.001: expected a factor"),
        (["--window", "3"], "a window of 3 pixels: expected 16 or more"),
        (["--batch", "257"], "257 images in --batch: expected 1 to 256"),
        (["--at-least", "1.5"], "--at-least 1.5: expected a probability from 0 to 1"),
    ],
)
def test_wrong_values_are_named(here, capsys, arguments, words):
    assert infer(*arguments) == 1
    assert words in capsys.readouterr().err


def test_scores_of_each_class_and_their_pictures(here, capsys):
    files = [
        "--confusion",
        "c.png",
        "--sheet",
        "worst.png",
        "--worst",
        "2",
        "--csv",
        "s",
        "--json",
        "s.json",
    ]
    assert score(*files) == 0
    table = capsys.readouterr().out
    assert table.split()[:6] == ["class", "IoU", "recall", "precision", "F1", "boundary"]
    assert "mean boundary iou" in table and "mean f1" in table
    scores = json.loads((here / "s.json").read_text())
    counts = np.array(scores["confusion"])
    for row, found in zip(range(3), scores["classes"]):
        true, made, right = counts[row].sum(), counts[:, row].sum(), counts[row, row]
        assert found["precision"] == pytest.approx(right / made)
        assert found["recall"] == found["accuracy"] == pytest.approx(right / true)
        assert found["f1"] == pytest.approx(2 * right / (made + true))
        assert 0 < found["boundary_iou"] < 1
    assert scores["mean_f1"] == pytest.approx(np.mean([c["f1"] for c in scores["classes"]]))
    with open("s_classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["boundary_iou"]) for r in rows] == pytest.approx(
        [c["boundary_iou"] for c in scores["classes"]]
    )
    assert min(Image.open("c.png").size) > 200
    sheet = Image.open("worst.png")
    assert sheet.width > 4 * 320 and 2 * 240 < sheet.height < 3 * 240
    assert score(*files) == 1
    assert "exists already" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sheet_of_masks_has_no_images(here):
    assert infer() == 0
    options = ["--predictions", "out", "--labels", "voc/val/labels", "--classes", "names.txt"]
    assert main.run_module("fcnkit.commands.score", [*options, "--sheet", "worst.png"]) == 0
    assert 3 * 320 < Image.open("worst.png").width < 4 * 320
