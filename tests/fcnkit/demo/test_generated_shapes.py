"""Generated shapes: VOC's layout, and colours that reveal nothing."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caffeformat import datum_to_array, open_database, pb
from fcnkit.demo.colour_baseline import ColourClassifier
from fcnkit.demo.generated_shapes import CLASSES, IGNORE, draw_image, write_archive
from fcnkit.demo.object_crops import read_boxes, write_crops


def test_the_same_seed_gives_the_same_archive(tmp_path):
    paths = [write_archive(tmp_path / name, 2, 1, seed) for name, seed in (("a", 5), ("b", 5))]
    other = write_archive(tmp_path / "c", 2, 1, 6)
    first, second, third = (Path(path).read_bytes() for path in (*paths, other))
    assert first == second != third


def test_the_archive_has_vocs_layout(tmp_path):
    path = write_archive(tmp_path / "shapes.tar", 3, 2)
    with tarfile.open(path) as archive:
        names = archive.getnames()
        root = "VOCdevkit/SHAPES/"
        sets = {
            name: archive.extractfile(f"{root}ImageSets/Segmentation/{name}.txt").read().split()
            for name in ("train", "val", "trainval")
        }
        assert len(sets["train"]) == 3 and len(sets["val"]) == 2
        assert sets["trainval"] == sets["train"] + sets["val"]
        for image_id in sets["trainval"]:
            image_id = image_id.decode()
            assert f"{root}Annotations/{image_id}.xml" in names
            image = Image.open(archive.extractfile(f"{root}JPEGImages/{image_id}.jpg"))
            label = Image.open(archive.extractfile(f"{root}SegmentationClass/{image_id}.png"))
            assert image.size == label.size and label.mode == "P"
            assert label.getpalette()[3:6] == [128, 0, 0]


def test_every_outline_has_an_ignored_border():
    for seed in range(20):
        _, label, boxes = draw_image(np.random.RandomState(seed))
        assert boxes and (label == IGNORE).any()
        # Walking along rows and columns, no class touches another without 255 in between.
        for first, second in ((label[:, :-1], label[:, 1:]), (label[:-1], label[1:])):
            touching = (first != second) & (first != IGNORE) & (second != IGNORE)
            assert not touching.any()


@pytest.mark.slow
def test_colour_reveals_nothing_about_the_class():
    random = np.random.RandomState(1)
    classifier, hits, pixels = ColourClassifier(len(CLASSES)), 0, 0
    for _ in range(60):
        image, label, _ = draw_image(random)
        classifier.learn(image, label)
    for _ in range(20):
        image, label, _ = draw_image(random)
        shown = (label > 0) & (label != IGNORE)
        hits += (classifier.class_map(image)[shown] == label[shown]).sum()
        pixels += shown.sum()
    assert hits / pixels < 0.2


def test_the_colour_classifier_learns_where_colour_does_reveal_the_class():
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, 2:] = (250, 10, 10)
    label = np.array([[0, 0, 1, 1], [0, 255, 1, 255]], np.uint8)
    classifier = ColourClassifier(2)
    classifier.learn(image, label)
    np.testing.assert_array_equal(classifier.class_map(image), [[0, 0, 1, 1]] * 2)


class _OneImage:
    ids = ("shapes_000000",)

    def __init__(self, seed):
        self._image, self._label, _ = draw_image(np.random.RandomState(seed))

    def image(self, i):
        return self._image

    def label(self, i):
        return self._label


def test_crops_show_the_centre_of_their_box_with_its_class(tmp_path):
    path = write_archive(tmp_path / "shapes.tar", 1, 0, seed=3)
    boxes = read_boxes(path, list(CLASSES))
    dataset = _OneImage(3)
    count = write_crops(
        tmp_path / "db", dataset, boxes, 32, turns=4, random=np.random.RandomState(0)
    )
    seen = []
    with open_database(tmp_path / "db") as database:
        assert len(database) == count
        for _, value in database.items():
            datum = pb.Datum.FromString(value)
            assert datum_to_array(datum).shape == (3, 32, 32)
            seen.append(datum.label)
    expected = [index for index, *_ in boxes[dataset.ids[0]]]
    assert sorted(label for label in seen if label) == sorted(expected * 4)
    index, left, top, right, bottom = boxes[dataset.ids[0]][0]
    assert dataset.label(0)[(top + bottom) // 2, (left + right) // 2] == index
