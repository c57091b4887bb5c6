"""Objects of annotation files: shapes and bitmaps become the pixels that they mean."""

import base64
import json
import zlib

import numpy as np
import pytest
from labelled_data import (
    check_pairs,
    coco_json,
    encoded,
    image,
    labelme_json,
    pack,
    polygons,
    prepare_export,
    truth,
)

from caffeformat import InputError
from fcnkit.data_prep import DataOptions, prepare_data
from fcnkit.data_prep.layouts.exports import objects
from fcnkit.images import read_label

META = {
    "classes": [
        {"title": "red", "shape": "any", "color": "#FF0000"},
        {"title": "blue", "shape": "any", "color": "#0000FF"},
        {"title": "neutral", "shape": "any", "color": "#E0E0C0"},
    ]
}


def prepare(tmp_path, files, **options):
    source = pack("tar", tmp_path / "source", files)
    return prepare_data(source, tmp_path / "out", DataOptions(val_percent=0, **options))


def supervisely_object(class_, kind, corners):
    title = ("red", "blue")[class_ - 1]
    if kind == "bitmap":
        mask = encoded(np.full((5, 5), 255, np.uint8))
        data = base64.b64encode(zlib.compress(mask)).decode()
        return {
            "classTitle": title,
            "geometryType": kind,
            "bitmap": {"data": data, "origin": corners[0]},
        }
    exterior = [corners[0], corners[2]] if kind == "rectangle" else corners
    points = {"exterior": exterior, "interior": []}
    return {"classTitle": title, "geometryType": kind, "points": points}


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "bitmap"])
def test_supervisely(tmp_path, kind):
    files = {"project/meta.json": json.dumps(META)}
    for number in range(2):
        objects = [supervisely_object(c, kind, corners) for c, corners in polygons(number, 4)]
        content = {"size": {"height": 20, "width": 30}, "objects": objects}
        files[f"project/ds0/ann/im{number}.png.json"] = json.dumps(content)
        files[f"project/ds0/img/im{number}.png"] = image(number)
    files["project/ds0/ann/im9.png.json"] = json.dumps({"objects": []})
    files["project/ds0/img/im9.png"] = image(9)
    prepared = prepare(tmp_path, files)
    assert prepared.names == ["background", "red", "blue"]
    check_pairs(tmp_path / "out/train", ["im0", "im1"])


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "bitmap"])
@pytest.mark.parametrize("name", ["im{}.json", "im{}.png.json"])
def test_older_exports_of_supervisely(tmp_path, kind, name):
    """Annotations are called after the image without its suffix; classes alone say the shape."""
    classes = [{"title": title, "shape": kind} for title in ("red", "blue")]
    files = {"meta.json": json.dumps({"classes": classes})}
    for number in range(2):
        objects = [supervisely_object(c, kind, corners) for c, corners in polygons(number, 4)]
        for entry in objects:
            del entry["geometryType"]
            entry.setdefault("bitmap", None)
            entry.setdefault("points", {"exterior": [], "interior": []})
        files[f"ds/ann/{name.format(number)}"] = json.dumps({"objects": objects})
        files[f"ds/img/im{number}.png"] = image(number)
    prepare(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["im0", "im1"])


def test_two_images_for_an_older_annotation_of_supervisely_are_named(tmp_path):
    entry = supervisely_object(1, "polygon", polygons(0, 4)[0][1])
    files = {"meta.json": json.dumps(META), "ds/ann/a.json": json.dumps({"objects": [entry]})}
    files.update({"ds/img/a.png": image(0), "ds/img/a.jpg": image(1, "JPEG")})
    with pytest.raises(InputError, match=r"may be of ds/img/a\.png or of ds/img/a\.jpg"):
        prepare(tmp_path, files)


def test_supervisely_ignores_neutral_objects_and_cuts_holes(tmp_path):
    whole = [[0, 0], [29, 0], [29, 19], [0, 19]]
    hole = [[5, 5], [9, 5], [9, 9], [5, 9]]
    objects = [
        {
            "classTitle": "red",
            "geometryType": "polygon",
            "points": {"exterior": whole, "interior": [hole]},
        },
        {
            "classTitle": "neutral",
            "geometryType": "rectangle",
            "points": {"exterior": [[20, 0], [29, 3]], "interior": []},
        },
    ]
    files = {
        "meta.json": json.dumps(META),
        "ds/ann/a.png.json": json.dumps({"objects": objects}),
        "ds/img/a.png": image(0),
    }
    prepare(tmp_path, files)
    expected = np.ones((20, 30), np.uint8)
    expected[5:10, 5:10], expected[:4, 20:30] = 0, 255
    assert np.array_equal(read_label(tmp_path / "out/train/labels/a.png"), expected)


def drawn(tmp_path, *shapes):
    """The label that labelme's shapes, (label, kind, points), become."""
    entries = [
        {"label": label, "shape_type": kind, "points": points} for label, kind, points in shapes
    ]
    files = {"a.json": labelme_json(0, "a.png", shapes=entries), "a.png": image(0)}
    prepare(tmp_path, files, classes=["background", "red", "blue"])
    return read_label(tmp_path / "out/train/labels/a.png")


def test_labelmes_shapes(tmp_path):
    label = drawn(
        tmp_path,
        ("red", "rectangle", [[9, 7], [2, 3]]),
        ("blue", "circle", [[20, 10], [24, 10]]),
        ("red", None, [[0, 15], [4, 15], [4, 19], [0, 19]]),
    )
    expected = np.zeros((20, 30), np.uint8)
    expected[3:8, 2:10] = 1
    expected[15:20, 0:5] = 1
    y, x = np.mgrid[:20, :30]
    distance = np.hypot(y - 10, x - 20)
    assert (label[distance < 3.9] == 2).all() and (label[distance > 5] != 2).all()
    assert np.array_equal(label == 1, expected == 1)


@pytest.mark.parametrize("empty", [False, True])
def test_images_without_shapes_are_left_out_or_background(tmp_path, empty):
    files = {"a.json": labelme_json(0, "a.png"), "b.json": labelme_json(1, "b.png", shapes=[])}
    prepare(tmp_path, {**files, "a.png": image(0), "b.png": image(1)}, empty=empty)
    written = sorted((tmp_path / "out/train/labels").iterdir())
    assert [path.stem for path in written] == (["a", "b"] if empty else ["a"])
    assert not empty or not read_label(written[1]).any()


@pytest.mark.parametrize("tool", ["labelme", "COCO"])
def test_corners_that_are_shares_of_the_size_are_refused(tmp_path, tool):
    """Drawn as pixels they would be a dot: a label of background without a word."""
    if tool == "COCO":
        content = json.loads(coco_json({"a.png": 0}))
        for entry in content["annotations"]:
            numbers = entry["segmentation"][0]
            entry["segmentation"] = [[n / (20 if i % 2 else 30) for i, n in enumerate(numbers)]]
    else:
        content = json.loads(labelme_json(0, "a.png"))
        for shape in content["shapes"]:
            shape["points"] = [[x / 30, y / 20] for x, y in shape["points"]]
    files = {"a.json": json.dumps(content), "a.png": image(0)}
    with pytest.raises(InputError, match=r"a\.json: all corners are between 0 and 1, expected pix"):
        prepare(tmp_path, files)


@pytest.mark.parametrize("tool", ["labelme", "COCO"])
def test_an_image_may_have_nothing_but_an_object_smaller_than_a_pixel(tmp_path, tool):
    """As tiles of a larger image have at their corners."""
    small = [[0.1, 0.2], [0.9, 0.3], [0.4, 0.8]]
    files = {f"{n}.png": image(n) for n in range(2)}
    if tool == "COCO":
        content = json.loads(coco_json({"0.png": 0, "1.png": 1}))
        first, *others = content["annotations"]
        first["segmentation"] = [[n for corner in small for n in corner]]
        others = [entry for entry in others if entry["image_id"] != first["image_id"]]
        files["a.json"] = json.dumps({**content, "annotations": [first, *others]})
    else:
        shapes = [{"label": "red", "points": small, "shape_type": "polygon"}]
        files["0.json"] = labelme_json(0, "0.png", shapes=shapes)
        files["1.json"] = labelme_json(1, "1.png")
    prepare(tmp_path, files)
    labels = sorted((tmp_path / "out/train/labels").iterdir())
    assert [read_label(path).any() for path in labels[1:]] == [True] and len(labels) == 2


def test_an_object_in_the_first_pixel_alone_is_none_of_shares(tmp_path):
    square = [[0, 0], [4, 0], [4, 4], [0, 4]]
    small = ("red", "polygon", [[0, 0], [0.5, 0], [0.5, 0.5]])
    assert drawn(tmp_path, small, ("blue", "polygon", square))[4, 4] == 2


def test_blanks_around_names_make_no_other_class(tmp_path):
    square = [[0, 0], [4, 0], [4, 4], [0, 4]]
    label = drawn(tmp_path, ("red ", "polygon", square), (" ignore", "rectangle", [[9, 9], [9, 9]]))
    assert (label[0, 0], label[9, 9], label[19, 29]) == (1, 255, 0)


@pytest.mark.parametrize("kind", ["oriented_rectangle", "rotation", "quadrilateral"])
def test_four_corners_are_an_outline_whatever_they_are_called(tmp_path, kind):
    corners = [[5, 2], [8, 5], [5, 8], [2, 5]]
    for folder in ("found", "polygon"):
        (tmp_path / folder).mkdir()
    found = drawn(tmp_path / "found", ("red", kind, corners))
    assert np.array_equal(found, drawn(tmp_path / "polygon", ("red", "polygon", corners)))
    assert found[5, 5] == 1


def test_later_shapes_lie_over_earlier_ones_and_some_are_ignored(tmp_path):
    label = drawn(
        tmp_path,
        ("red", "rectangle", [[0, 0], [29, 19]]),
        ("blue", "rectangle", [[5, 5], [9, 9]]),
        ("__ignore__", "rectangle", [[7, 7], [20, 9]]),
    )
    expected = np.ones((20, 30), np.uint8)
    expected[5:10, 5:10] = 2
    expected[7:10, 7:21] = 255
    assert np.array_equal(label, expected)


@pytest.mark.parametrize(
    "kind, points",
    [
        ("line", [[2, 10], [27, 10]]),
        ("linestrip", [[2, 10], [15, 10], [27, 10]]),
        ("point", [[10, 10]]),
    ],
)
def test_labelmes_lines_and_points_have_a_width(tmp_path, kind, points):
    label = drawn(tmp_path, ("red", kind, points))
    rows = np.flatnonzero(label[:, 10] == 1)
    assert 9 <= len(rows) <= 12 and rows.min() <= 6 and rows.max() >= 14


def test_labelmes_masks(tmp_path):
    mask = base64.b64encode(encoded(truth(0)[:10, :10] > 0)).decode()
    entry = {"label": "red", "shape_type": "mask", "points": [[3, 4], [12, 13]], "mask": mask}
    files = {"a.json": labelme_json(0, "a.png", shapes=[entry]), "a.png": image(0)}
    prepare(tmp_path, files, classes=["background", "red"])
    expected = np.zeros((20, 30), np.uint8)
    expected[4:14, 3:13] = truth(0)[:10, :10] > 0
    assert np.array_equal(read_label(tmp_path / "out/train/labels/a.png"), expected)


DAMAGE = {
    "no label": ({"shapes": [{"points": []}]}, "shape 1 has no label"),
    "no list": ({"shapes": 3}, "its shapes are not a list"),
    "kind": (
        {"shapes": [{"label": "a", "shape_type": "cube", "points": []}]},
        "shape 1 is a 'cube'",
    ),
    "points": ({"shapes": [{"label": "a", "points": [[1]]}]}, "shape 1: expected points"),
    "text": ({"shapes": [{"label": "a", "points": [["x", 2]]}]}, "shape 1: expected points"),
    "infinite": ({"shapes": [{"label": "a", "points": [[1e999, 2]]}]}, "shape 1: a point at"),
    "few": ({"shapes": [{"label": "a", "points": [[1, 2]]}]}, "shape 1: cannot be drawn"),
    "base64": ({"imageData": "!", "imagePath": "gone.png"}, "cannot be read as an image"),
    "size": ({"imageHeight": 7}, "annotations for 30 x 7 pixels"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_labelme_files_are_named(tmp_path, what):
    changes, words = DAMAGE[what]
    files = {"x/a.json": labelme_json(0, "a.png", **changes)}
    if "imagePath" not in changes:
        files["x/a.png"] = image(0)
    with pytest.raises(InputError, match=rf"x/a\.json.*{words}"):
        prepare(tmp_path, files)
    assert not (tmp_path / "out").exists()


def test_an_object_of_an_unknown_class_is_named(tmp_path):
    files = {
        "a.json": labelme_json(0, "a.png"),
        "a.png": image(0),
        "labels.txt": "_background_\nred\n",
    }
    with pytest.raises(InputError, match=r"objects of the class 'blue'.*classes="):
        prepare(tmp_path, files)


def test_names_without_a_background_leave_the_rest_ignored(tmp_path):
    files = {"a.json": labelme_json(0, "a.png"), "a.png": image(0)}
    prepared = prepare(tmp_path, files, classes=["red", "blue"])
    assert prepared.names == ["red", "blue"]
    check_pairs(tmp_path / "out/train", ["a"], meaning=(255, 0, 1))


def test_the_work_that_a_file_asks_for_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_MOST_WORK", 2 * 600)
    files = {"a.json": labelme_json(0, "a.png"), "a.png": image(0)}
    with pytest.raises(InputError, match=r"a\.json: refused: more than 2 objects on 30 x 20"):
        prepare(tmp_path, files)


def changed_coco(change):
    """Two images and a file in the format of COCO, with `change` made to each annotation."""
    names = {f"im{n}.png": n for n in range(2)}
    content = json.loads(coco_json(names))
    for number, annotation in enumerate(content["annotations"]):
        annotation.update(change(annotation, number))
    return {"a.json": json.dumps(content), **{name: image(n) for name, n in names.items()}}


@pytest.mark.parametrize(
    "change",
    [
        lambda a, _: {"segmentation": a["segmentation"][0], "image_id": str(a["image_id"])},
        lambda a, _: {"image_id": float(a["image_id"]), "category_id": float(a["category_id"])},
        lambda a, _: {"category_id": str(a["category_id"])},
    ],
    ids=["VIA", "pandas", "text"],
)
def test_coco_as_other_tools_write_it(tmp_path, change):
    """VIA writes one polygon without a list around it, and the ids of images as text."""
    prepare(tmp_path, changed_coco(change))
    check_pairs(tmp_path / "out/train", ["im0", "im1"])


@pytest.mark.parametrize(
    "polygon", [lambda c: [c[:4]], lambda c: [list(p) for p in zip(c[::2], c[1::2])]]
)
def test_polygons_without_an_area_are_not_all_background(tmp_path, polygon):
    def change(annotation, number):
        return {"segmentation": polygon(annotation["segmentation"][0])}

    with pytest.raises(InputError, match=r"a\.json: its polygons have fewer than three corners"):
        prepare(tmp_path, changed_coco(change))


def test_objects_of_few_corners_among_others_are_counted(tmp_path):
    def change(_, number):
        return {"segmentation": [[1, 1, 5, 5]]} if number == 1 else {}

    _, notes = prepare_export(tmp_path, changed_coco(change), val_percent=0)
    assert any(note.startswith("1 objects of one or two corners cover nothing") for note in notes)
