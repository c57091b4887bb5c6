"""A classifier of generated shapes, turned into an FCN by surgery alone, learns to segment them."""

import os

import pytest

from caffeformat import read_caffemodel
from fcnkit import zoo
from fcnkit.commands import main
from fcnkit.datasets import open_dataset
from fcnkit.demo import steps
from fcnkit.inference import Segmenter, predictions_and_labels, score
from fcnkit.training import Recipe, Start, read_run, train

# The demo's own FCN is not wanted here: two steps are the least it takes.
SIZES = steps.Sizes(train=200, val=30, classifier_iterations=800, fcn_iterations=2)


@pytest.mark.slow
@pytest.mark.parametrize("way", [["--stride", "1"], ["--stride", "2", "--dilate"]])
def test_the_fcn_of_a_trained_classifier_learns_more_than_colour(tmp_path, way):
    demo = steps.run(tmp_path / "demo", seed=1, sizes=SIZES)
    classifier = read_run(os.path.join(demo.folder, "classifier")).weights
    folder = tmp_path / "fcn"
    model = zoo.path("shapes_classifier", "deploy.prototxt")
    arguments = ["--model", model, "--weights", classifier, "--classes", "6", "--keep-scores"]
    assert main.main(["net_surgery", *arguments, *way, "--output", str(folder)]) == 0
    assert read_caffemodel(folder / "fcn.caffemodel")["fc7"][0].any()

    data = os.path.join(demo.folder, "lmdb")
    settings = {"base_lr": "0.02", "max_iter": "400", "iter_size": "1", "random_seed": "1"}
    settings.update({"snapshot": "400", "test_interval": "400"})
    recipe = Recipe(
        folder / "solver.prototxt", data=data, overrides=list(settings.items()), batch_size=4
    )
    outcome = train(recipe, tmp_path / "run", Start(weights=folder / "fcn.caffemodel"))
    with open_dataset(data, "val") as dataset:
        segmenter = Segmenter(str(folder / "deploy.prototxt"), outcome.weights)
        board = score(predictions_and_labels(segmenter, dataset), 6)
    learned, colour = (steps.foreground_iou(b) for b in (board, demo.boards["colour"]))
    print(f"{' '.join(way)}: {learned:.4f}, colour {colour:.4f}")
    assert learned > colour + 0.2
