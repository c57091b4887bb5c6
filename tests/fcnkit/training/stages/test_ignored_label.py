"""Stages whose loss ignores another label than 255 are scored without it."""

import os
import pathlib

import numpy as np
import pytest
from PIL import Image
from tiny_segmentation import write_dataset
from tiny_stages import FAMILY, stages, write_family

from fcnkit.training import curves, train_stages
from fcnkit.training.stages.checks import ignored_label


@pytest.fixture
def family(tmp_path):
    folder = write_family(tmp_path / "family")
    for name in FAMILY[:1]:
        for file in os.scandir(os.path.join(folder, name)):
            path = pathlib.Path(file.path)
            path.write_text(path.read_text().replace("ignore_label: 255", "ignore_label: 3"))
    return folder


def test_the_loss_says_which_label(family):
    labels = [ignored_label(os.path.join(family, name, "solver.prototxt")) for name in FAMILY[:2]]
    assert labels == [3, 255]


@pytest.mark.slow
def test_it_is_not_counted(family, tmp_path, monkeypatch, needs_engine):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    data = write_dataset(tmp_path / "data", train=2, val=1)
    for split in ("train", "val"):
        for file in os.scandir(os.path.join(data, split, "labels")):
            label = np.array(Image.open(file.path))
            Image.fromarray(np.where(label == 255, 3, label).astype(np.uint8)).save(file.path)
    (result,) = train_stages(stages(family, FAMILY[:1], iterations=1), "run", data)
    assert 0 <= result.end["mean_iou"] <= 1
