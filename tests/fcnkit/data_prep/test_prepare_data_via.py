"""VIA's JSON: projects and annotations alone, regions in lists and objects."""

import json

import numpy as np
import pytest
from labelled_data import check_pairs, image, polygons, prepare_export

from caffeformat import InputError
from fcnkit.images import read_label


def region(corners, **attributes):
    x, y = zip(*corners)
    shape = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    return {"shape_attributes": shape, "region_attributes": attributes}


def via(numbers, attributes, project=False, as_object=False):
    """VIA's file of some images; `attributes(class)` makes the attributes of a region."""
    entries = {}
    for number in numbers:
        regions = [region(corners, **attributes(c)) for c, corners in polygons(number, 4)]
        if as_object:
            regions = {str(place): each for place, each in enumerate(regions)}
        name = f"im{number}.png"
        entry = {"filename": name, "size": 99, "regions": regions, "file_attributes": {}}
        entries[f"{name}{99 if number else -1}"] = entry
    if project:
        return json.dumps({"_via_settings": {"ui": {}}, "_via_img_metadata": entries})
    return json.dumps(entries)


def named(class_):
    return {"class": ("red", "blue")[class_ - 1]}


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize(
    ("attributes", "project", "as_object"),
    [
        (named, True, False),
        (named, False, True),
        (lambda c: {"kind": {"red": c == 1, "blue": c == 2}}, False, False),
        (lambda c: {**named(c), "quality": "good"}, False, False),
        (lambda c: {"colour": named(c)["class"], "farbe": named(c)["class"]}, False, True),
    ],
)
def test_regions_become_labels(tmp_path, form, attributes, project, as_object):
    files = {}
    for name, numbers in {"train": (0, 1), "val": (2, 3)}.items():
        files[f"{name}/via_region_data.json"] = via(numbers, attributes, project, as_object)
        files.update({f"{name}/im{number}.png": image(number) for number in numbers})
    prepared, _ = prepare_export(tmp_path, files, form, classes=["background", "red", "blue"])
    assert prepared.names == ["background", "red", "blue"]
    check_pairs(tmp_path / "out/train", ["im0", "im1"])
    check_pairs(tmp_path / "out/val", ["im2", "im3"])


def test_regions_without_attributes_are_one_class(tmp_path):
    files = {"via.json": via((0, 1), lambda c: {}), "im0.png": image(0), "im1.png": image(1)}
    prepared, _ = prepare_export(tmp_path, files, val_percent=0)
    assert prepared.names == ["background", "object"]
    check_pairs(tmp_path / "out/train", ["im0", "im1"], (0, 1, 1))


def test_rectangles_and_circles(tmp_path):
    shapes = [{"name": "rect", "x": 2, "y": 3, "width": 7, "height": 4},
              {"name": "circle", "cx": 20, "cy": 10, "r": 4}]  # fmt: skip
    regions = [{"shape_attributes": shape, "region_attributes": {}} for shape in shapes]
    content = {"a.png1": {"filename": "a.png", "regions": regions}}
    prepare_export(tmp_path, {"a.png": image(0), "v.json": json.dumps(content)}, val_percent=0)
    found = read_label(tmp_path / "out/train/labels/a.png")
    y, x = np.mgrid[:20, :30]
    distance = np.hypot(y - 10, x - 20)
    assert found[3:8, 2:10].all() and found[distance < 3.9].all()
    found[3:8, 2:10] = 0
    assert not found[distance > 5].any()


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        ([region([(0, 0), (9, 0), (9, 9)], a="x", b="y")], "attributes a, b: call the one that"),
        ([region([(0, 0), (9, 0), (9, 9)], a="")], "has no single 'a'"),
        ([{"shape_attributes": {"name": "polyline"}}], "is a 'polyline', expected polygon, rect"),
        ([{"shape_attributes": {"name": "rect", "x": 1}}], "expected points"),
        ([3], "a region of 'a.png' is not an object of attributes"),
        (None, r"'a\.png1' has no filename, or no regions"),
        ([], "no regions: annotate the images first"),
    ],
)
def test_what_cannot_be_drawn_is_named(tmp_path, regions, words):
    content = {"a.png1": {"filename": "a.png", "regions": regions}}
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, {"a.png": image(0), "v.json": json.dumps(content)}, val_percent=0)


def test_two_files_of_one_image_are_named(tmp_path):
    files = {"via.json": via((0,), named), "old.json": via((0,), named), "im0.png": image(0)}
    with pytest.raises(InputError, match=r"via\.json: is of im0\.png, as is old\.json: keep one"):
        prepare_export(tmp_path, files)


def test_images_that_are_not_there_are_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"names the image im0\.png, which is not there.*images="):
        prepare_export(tmp_path, {"via.json": via((0,), named), "im9.png": image(9)})
