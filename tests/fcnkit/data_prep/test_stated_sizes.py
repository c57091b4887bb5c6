"""Sizes that annotations state: held against the images that are there before anything is drawn."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.data_prep import DataOptions, prepare_coco, prepare_data
from fcnkit.data_prep.layouts.coco import masks
from fcnkit.data_prep.layouts.coco.masks import mask_of, most_pixels

SIDE = 8192


@pytest.fixture
def drawn(monkeypatch):
    """The sizes of the masks that are drawn."""
    sizes = []

    def counted(segmentation, height, width, name):
        sizes.append((height, width))
        return mask_of(segmentation, height, width, name)

    monkeypatch.setattr("fcnkit.data_prep.layouts.coco.layout.mask_of", counted)
    monkeypatch.setattr("fcnkit.data_prep.layouts.exports.coco.mask_of", counted)
    return sizes


def write_source(folder, count, stated, real=None, thin=False):
    """Write COCO's annotations of `count` images that state a size, and images of another one."""
    side = stated[0]
    corners = [0, 0, side, side, side, side - 1] if thin else [0, 0, side, 0, side, side, 0, side]
    content = {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": stated[0], "width": stated[1]}
            for n in range(count)
        ],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {"image_id": n, "category_id": 1, "segmentation": [corners]} for n in range(count)
        ],
    }
    folder.mkdir()
    for name in ("train2017", "val2017"):
        (folder / f"instances_{name}.json").write_text(json.dumps(content))
    for n in range(count if real else 0):
        Image.fromarray(np.zeros((*real, 3), np.uint8)).save(folder / f"{n}.png")
    return folder


@pytest.mark.parametrize("thin", [False, True])
@pytest.mark.parametrize("real", [None, (6, 7)])
def test_many_large_images_that_are_not_there_cost_nothing(tmp_path, drawn, real, thin):
    source = write_source(tmp_path / "coco", 2000 if real is None else 20, (SIDE, SIDE), real, thin)
    with pytest.raises(InputError, match="lacks" if real is None else "8192 x 8192.*7 x 6"):
        prepare_coco(source, [source], tmp_path / "out")
    assert not drawn and os.listdir(tmp_path) == ["coco"]


@pytest.mark.parametrize("real", [None, (6, 7)])
def test_exports_cost_nothing_either(tmp_path, drawn, real):
    source = write_source(tmp_path / "coco", 2000 if real is None else 20, (SIDE, SIDE), real)
    (source / "instances_val2017.json").unlink()
    words = "is not there" if real is None else "8192 x 8192.*7 x 6"
    with pytest.raises(InputError, match=words):
        prepare_data(source, tmp_path / "out", DataOptions(val_percent=50))
    assert not drawn and os.listdir(tmp_path) == ["coco"]


def test_images_of_the_stated_size_are_drawn_once(tmp_path, drawn):
    source = write_source(tmp_path / "coco", 2, (40, 50), (40, 50))
    (tmp_path / "val").mkdir()
    counts = prepare_coco(source, [source], tmp_path / "out", ("train2017",), least=100)
    assert counts == {"train": 2} and drawn == [(40, 50)] * 2


def test_labels_may_fit_the_stored_pixels_of_a_turned_image(tmp_path):
    source = write_source(tmp_path / "coco", 1, (40, 50))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(source / "0.png", exif=turned)
    assert prepare_coco(source, [source], tmp_path / "out", ("train2017",)) == {"train": 1}


def test_the_most_that_a_mask_may_have():
    dice = np.random.RandomState(3)
    for _ in range(50):
        polygons = [
            dice.uniform(-10, 60, 2 * dice.randint(3, 9)).tolist() for _ in range(dice.randint(4))
        ]
        most = most_pixels(polygons, 40, 50, "x")
        assert np.count_nonzero(mask_of(polygons, 40, 50, "x")) <= most <= 2000
    runs = {"counts": [100, 300, 1600], "size": [40, 50]}
    assert most_pixels(runs, 40, 50, "x") == np.count_nonzero(mask_of(runs, 40, 50, "x")) == 300
    for wrong in ([[1, 2, 3]], {"counts": [5]}, 3, [["x", 1]], {"counts": "~"}):
        for look in (mask_of, most_pixels):
            with pytest.raises(InputError, match="cannot be read"):
                look(wrong, 40, 50, "x")
    with pytest.raises(InputError, match="refused"):
        masks.most_pixels([], 10**9, 10, "x")
