import math

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.inference import masks_and_labels, names_for, score
from fcnkit.progress import Progress


class Steps(Progress):
    def __init__(self):
        self.seen = []

    def step(self, done, total=None, what="", figures=None):
        self.seen.append((done, total, figures))


def samples():
    label = np.array([[0, 1]], np.uint8)
    yield "right", label, label, 2
    yield "wrong", np.array([[1, 1]], np.uint8), label, 2


def test_scoring_reports_each_image_with_the_mean_iou_so_far():
    steps = Steps()
    board = score(samples(), 3, progress=steps)
    assert [step[:2] for step in steps.seen] == [(1, 2), (2, 2)]
    assert steps.seen[0][2] == {"mean_iou": 1}
    # Class 0: 1 of 2 pixels found; class 1: 2 found, 1 of another class taken for it.
    assert steps.seen[1][2]["mean_iou"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert [image.name for image in board.images] == ["right", "wrong"]
    assert math.isnan(board.images[0].iou[2])


def test_masks_of_another_size_are_named_by_their_files(tmp_path):
    for kind, height in (("masks", 5), ("labels", 4)):
        (tmp_path / kind).mkdir()
        Image.fromarray(np.zeros((height, 6), np.uint8)).save(tmp_path / kind / "a.png")
    words = r"masks/a\.png: the mask has 6 x 5 pixels, its label .*labels/a\.png 6 x 4: .* scale"
    with pytest.raises(InputError, match=words):
        list(masks_and_labels(tmp_path / "masks", tmp_path / "labels"))


def test_no_images_are_an_error():
    with pytest.raises(InputError, match="there are no images to score"):
        score([], 3)


def test_names_must_be_as_many_as_the_classes():
    assert names_for(2, ["a", "b"]) == ["a", "b"]
    assert names_for(3) is None and names_for(21)[0] == "background"
    with pytest.raises(InputError, match="2 class names, but the network scores 3 classes"):
        names_for(3, ["a", "b"])
