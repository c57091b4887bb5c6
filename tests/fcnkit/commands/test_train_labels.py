"""Training on labels that do not suit the net, and on those of its own kind."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import net_text, write_dataset, write_solver

from fcnkit.commands import main
from fcnkit.datasets import count_pixels, open_dataset
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.training import curves

pytestmark = pytest.mark.usefixtures("needs_engine")


def train(*arguments):
    return main.run_module("fcnkit.commands.train", ["solver.prototxt", "-o", "run", *arguments])


@pytest.mark.parametrize(
    ("change", "manifest", "words"),
    [
        (("ignore_label: 255", ""), {"ignored_pixels": 9}, ["hold pixels to ignore", "255"]),
        (("num_output: 3", "num_output: 2"), {"green": 9}, ["up to class 2 (green)", "2 classes"]),
    ],
)
def test_labels_that_do_not_suit_the_net_are_named(here, data, capsys, change, manifest, words):
    shutil.copytree(data, "counted")
    counts = {"class_pixels": {"background": 9, "green": manifest.get("green", 0)}}
    counts["ignored_pixels"] = manifest.get("ignored_pixels", 0)
    (here / "counted/manifest.json").write_text(json.dumps({"splits": {"train": counts}}))
    write_solver(here, net_text().replace(*change))
    assert train("--data", "counted", "--augment") == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["augment", "lmdb"])
def test_the_losss_own_ignore_label_is_no_class(here, data, capsys, way):
    shutil.copytree(data, "own")
    for path in (here / "own").glob("*/labels/*.png"):
        label = read_label(path)
        label[label == 255] = 3
        write_label(path, label, voc_palette())
    (here / "own/classes.txt").write_text("background\nred\ngreen\nvoid\n")
    write_solver(here, net_text().replace("ignore_label: 255", "ignore_label: 3"))
    if way == "lmdb":
        assert main.run_module("fcnkit.commands.create_lmdb", ["own", "lmdb"]) == 0
    capsys.readouterr()
    options = ["--data", "own", "--augment"] if way == "augment" else ["--data", "lmdb"]
    assert train(*options) == 0
    assert curves.parse_log("run/train.log")[-1]["test_mean_iou"] > 0.9
    settings = json.loads((here / "run/inference.json").read_text())
    assert settings["classes"] == ["background", "red", "green"] and settings["ignore"] == 3
    scores = ["--run", "run", "--data", "own", "--json", "-"]
    capsys.readouterr()
    assert main.run_module("fcnkit.commands.score", scores) == 0
    scored = json.loads(capsys.readouterr().out)
    assert scored["ignored_label"] == 3 and len(scored["classes"]) == 3
    assert main.run_module("fcnkit.commands.score", [*scores, "--ignore", "255"]) == 1
    assert "class index 3" in capsys.readouterr().err


@pytest.mark.slow
def test_labels_of_one_class_and_ignored_pixels_get_a_note(here, capsys):
    data = write_dataset("white")
    for path in (here / "white").glob("*/labels/*.png"):
        label = read_label(path)
        Image.fromarray((label > 0).astype(np.uint8) * 255).save(path)
    assert main.run_module("fcnkit.commands.create_lmdb", [data, "lmdb"]) == 0
    assert "only 0 and 255" in capsys.readouterr().err
    assert train("--data", "lmdb") == 0
    assert "every label pixel is class 0 or ignored (255)" in capsys.readouterr().err
    assert main.run_module("fcnkit.commands.score", ["--run", "run", "--data", "lmdb"]) == 0
    assert "these scores say nothing" in capsys.readouterr().err
    colours = ["--colour-map", "binary", "--classes", "2"]
    assert main.run_module("fcnkit.commands.create_lmdb", [data, "two", *colours]) == 0
    assert "only 0 and 255" not in capsys.readouterr().err
    manifest = json.loads((here / "two/manifest.json").read_text())
    assert manifest["splits"]["train"]["class_pixels"]["class 1"] > 0


def test_weights_of_classes_leave_out_what_the_loss_ignores(data):
    with open_dataset(data, "train") as dataset:
        pixels, present = count_pixels(dataset, 3)
        without, labelled = count_pixels(dataset, 3, ignore=0)
    assert without.tolist() == [0, *pixels[1:]]
    assert labelled[1] == pixels[1:].sum() and present[1] == pixels.sum()
