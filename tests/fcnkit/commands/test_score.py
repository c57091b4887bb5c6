"""`fcnkit score`: networks on datasets and folders, masks on labels."""

import csv
import json
import os

import numpy as np
import pytest
from engine_runtime import of_the_engine
from PIL import Image
from red_green_net import (
    NETWORK,
    infer,
    score,
    two_colours,
    write_network,
)
from tiny_segmentation import CLASSES

from fcnkit import engine
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.inference import ConfusionMatrix, Segmenter

pytestmark = pytest.mark.usefixtures("needs_engine")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, with a net and weights that tell red from green."""
    monkeypatch.chdir(tmp_path)
    write_network(tmp_path)
    return tmp_path


def test_each_image_is_scored_by_one_pass(here, data, monkeypatch):
    passes, forward = [], engine.forward
    monkeypatch.setattr(engine, "forward", lambda *args: passes.append(1) or forward(*args))
    assert score("--data", data, "--runtime", of_the_engine(), *NETWORK) == 0
    assert len(passes) == 3


def test_a_network_is_scored_on_folders(here, data, capsys):
    assert score("--data", data, *NETWORK, "--json", "s.json", "--csv", "s") == 0
    said = capsys.readouterr().out
    assert "green" in said and "mean iou" in said and "3 images" in said
    segmenter = Segmenter("net.prototxt", "red_green.caffemodel")
    matrix = ConfusionMatrix(3)
    for i in range(3):
        image = np.asarray(Image.open(f"{data}/val/images/val_{i}.png"))
        matrix.update(segmenter.class_map(image), read_label(f"{data}/val/labels/val_{i}.png"))
    with open("s.json") as file:
        scores = json.load(file)
    assert scores["confusion"] == matrix.counts.tolist()
    assert scores["mean_iou"] == pytest.approx(matrix.mean_iou)
    assert [c["name"] for c in scores["classes"]] == CLASSES
    assert len(scores["images"]) == 3 and len(scores["images"][0]["iou"]) == 3
    with open("s_confusion.csv", newline="") as file:
        table = list(csv.reader(file))
    assert table[0][1:] == CLASSES and [int(v) for v in table[1][1:]] == matrix.counts[0].tolist()
    with open("s_images.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 4


def write_masks(folder, masks):
    os.makedirs(folder)
    for name, mask in masks.items():
        write_label(os.path.join(folder, f"{name}.png"), mask.astype(np.uint8), voc_palette())


def test_masks_are_scored_and_absent_classes_left_out(here, capsys):
    label = np.array([[0, 0, 1, 255]])
    write_masks("labels", {"x": label, "y": label})
    write_masks("masks", {"x": np.array([[0, 1, 1, 1]]), "y": np.array([[0, 0, 1, 0]])})
    arguments = ["--predictions", "masks", "--labels", "labels", "--classes", "4"]
    assert score(*arguments, "--json", "s.json") == 0
    said = capsys.readouterr().out
    assert "left out of the mean IoU, neither labelled nor predicted: class 2, class 3" in said
    with open("s.json") as file:
        scores = json.load(file)
    assert scores["mean_iou"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert scores["classes"][3]["iou"] is None
    assert scores["images"][0]["mean_iou"] == pytest.approx(0.5)
    assert scores["images"][1]["pixel_accuracy"] == 1


@pytest.mark.slow
def test_the_folder_that_infer_leaves_can_be_scored(here, capsys):
    Image.fromarray(two_colours(9, 12)).save("a.png")
    assert infer("a.png") == 0
    write_masks("labels", {"a": np.repeat([[1] * 6 + [2] * 6], 9, axis=0)})
    assert score("--predictions", "out", "--labels", "labels", "--json", "s.json") == 0
    with open("s.json") as file:
        assert json.load(file)["mean_iou"] == 1


def test_a_mask_that_is_only_called_like_an_overlay_counts(here):
    masks = {"x": np.zeros((2, 2)), "x_overlay": np.ones((2, 2))}
    write_masks("masks", masks)
    write_masks("labels", masks)
    assert score("--predictions", "masks", "--labels", "labels", "--csv", "s") == 0
    with open("s_images.csv") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["x", "x_overlay"]


def test_rgb_masks_are_read_through_a_colour_map(here):
    for folder in ("masks", "labels"):
        os.mkdir(folder)
        Image.new("RGB", (3, 3), (128, 0, 0)).save(f"{folder}/x.png")
    arguments = ["--predictions", "masks", "--labels", "labels", "--classes", "voc"]
    assert score(*arguments) == 1
    assert score(*arguments, "--colour-map", "voc", "--json", "s.json") == 0
    with open("s.json") as file:
        assert json.load(file)["classes"][1]["iou"] == 1


@pytest.mark.parametrize("options", [[], ["--classes", "21"]])
def test_names_of_a_colour_map_take_the_place_of_vocs(here, options):
    for folder in ("masks", "labels"):
        os.mkdir(folder)
        Image.new("L", (3, 3), 1).save(f"{folder}/x.png")
    names = ["background", "person", *(f"other {i}" for i in range(19 if options else 1))]
    lines = [f"{i} {i} {i} {name}\n" for i, name in enumerate(names)]
    (here / "map.txt").write_text("".join(lines))
    arguments = ["--predictions", "masks", "--labels", "labels", "--json", "s.json", *options]
    assert score(*arguments, "--colour-map", "map.txt") == 0
    with open("s.json") as file:
        assert [each["name"] for each in json.load(file)["classes"]] == names


@pytest.mark.parametrize(
    ("masks", "labels", "words"),
    [
        ({"x": np.zeros((2, 3))}, {"x": np.zeros((3, 3))}, ["x.png", "3 x 2", "3 x 3"]),
        ({"x": np.zeros((2, 2))}, {"x": np.full((2, 2), 30)}, ["x", "label", "30", "21"]),
        ({"x": np.full((2, 2), 22)}, {"x": np.zeros((2, 2))}, ["x", "prediction", "22"]),
        ({"x": np.zeros((2, 2))}, {"y": np.zeros((2, 2))}, ["x.png", "no label"]),
    ],
)
def test_masks_that_cannot_be_scored_are_named(here, capsys, masks, labels, words):
    write_masks("masks", masks)
    write_masks("labels", labels)
    assert score("--predictions", "masks", "--labels", "labels") == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words)


def test_scores_on_disk_are_kept_unless_forced(here, capsys):
    write_masks("masks", {"x": np.zeros((2, 2))})
    arguments = ["--predictions", "masks", "--labels", "masks", "--json", "s.json"]
    (here / "s.json").write_text("mine")
    assert score(*arguments) == 1
    assert (here / "s.json").read_text() == "mine"
    assert score(*arguments, "--force") == 0
    assert "classes" in (here / "s.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--net", "--predictions"]),
        (["--predictions", "."], ["--labels"]),
        (NETWORK, ["--data"]),
        ([*NETWORK, "--data", "DATA", "--classes", "5"], ["3 classes", "5"]),
        (["--net", "net.prototxt", "--weights", "none", "--data", "DATA"], ["none"]),
        (["--predictions", "empty", "--labels", "empty"], ["empty", "no images"]),
    ],
)
def test_wrong_arguments_of_score_are_named(here, data, capsys, arguments, words):
    os.mkdir("empty")
    assert score(*[data if a == "DATA" else a for a in arguments]) == 1
    said = capsys.readouterr().err
    assert "error: " in said and all(word in said for word in words)
