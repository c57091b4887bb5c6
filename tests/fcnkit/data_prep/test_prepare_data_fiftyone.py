"""FiftyOne's own format: masks of all classes, in samples.json or beside it, and of detections."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from labelled_data import check_pairs, image, label, prepare_export, truth

from caffeformat import InputError

NAMES = ["background", "red", "blue"]
METADATA = json.dumps({"name": "x", "default_mask_targets": {"1": "red", "2": "blue"}})


def packed(array):
    """A mask as FiftyOne writes it to JSON."""
    file = io.BytesIO()
    np.save(file, array)
    text = base64.b64encode(zlib.compress(file.getvalue())).decode()
    return {"$binary": {"base64": text, "subType": "00"}}


def detections(number):
    """Each class of image `number` as the mask of one box."""
    found = []
    for class_, name in ((1, "red"), (2, "blue")):
        there = truth(number) == class_
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        box = [left / 30, top / 20, (right - left) / 30, (bottom - top) / 20]
        mask = packed(there[top:bottom, left:right])
        found.append({"_cls": "Detection", "label": name, "bounding_box": box, "mask": mask})
    return {"_cls": "Detections", "detections": found}


VALUES = {
    "masks within": lambda number: {"_cls": "Segmentation", "mask": packed(truth(number))},
    "masks as files": lambda number: {"_cls": "Segmentation", "mask_path": f"fields/{number}.png"},
    "detections": detections,
}


def laid_out(value_of, field="ground_truth", numbers=(0, 1, 2, 3), **others):
    files = {f"data/{number}.png": image(number) for number in numbers}
    samples = [
        {
            "_id": {"$oid": "0" * 24},
            "filepath": f"data/{number}.png",
            "tags": ["extra", "train" if number < 2 else "validation"],
            "_media_type": "image",
            field: value_of(number),
            **others,
        }
        for number in numbers
    ]
    return {**files, "samples.json": json.dumps({"samples": samples}), "metadata.json": METADATA}


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("kind", VALUES)
def test_masks_become_labels(tmp_path, kind, form):
    files = laid_out(VALUES[kind])
    if kind == "masks as files":
        files.update({f"fields/{number}.png": label(number) for number in range(4)})
    options = {"classes": NAMES} if kind == "detections" else {}
    prepared, _ = prepare_export(tmp_path, files, form, **options)
    assert prepared.names == NAMES
    check_pairs(tmp_path / "out/train", ["0", "1"])
    check_pairs(tmp_path / "out/val", ["2", "3"])


def test_of_several_fields_the_ground_truth_counts(tmp_path):
    wrong = {"_cls": "Segmentation", "mask": packed(np.zeros((20, 30), np.uint8))}
    files = laid_out(VALUES["masks within"], predictions=wrong)
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["0", "1"])
    files = laid_out(VALUES["masks within"], "mine", predictions=wrong)
    with pytest.raises(InputError, match="has labels in mine, predictions: export one field"):
        prepare_export(tmp_path / "two", files)


@pytest.mark.parametrize("empty", [False, True])
def test_images_without_objects_are_left_out_or_background(tmp_path, empty):
    files = laid_out(lambda n: {**detections(n), **({"detections": []} if n == 1 else {})})
    _, notes = prepare_export(tmp_path, files, classes=NAMES, empty=empty)
    found = sorted(path.stem for path in (tmp_path / "out/train/labels").iterdir())
    assert found == (["0", "1"] if empty else ["0"])
    assert any("with `empty`" in line for line in notes) != empty


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"_cls": "Segmentation", "mask": packed(np.zeros((9, 9), np.uint8))}, "has 9 x 9 pixels"),
        ({"_cls": "Segmentation", "mask": {"$binary": {"base64": "AAAA"}}}, "cannot be unpacked"),
        ({"_cls": "Segmentation", "mask_path": "gone.png"}, "its mask gone.png is not there"),
        ({"_cls": "Segmentation", "mask": packed(np.full((20, 30), 999))}, "class indices from 0"),
        (
            {"_cls": "Detections", "detections": [{"label": "a", "bounding_box": [0, 0, 1, 1]}]},
            "sample 1: detection 1: is a box without a mask",
        ),
        ({"_cls": "Classification", "label": "cat"}, "has no labels: export one field"),
    ],
)
def test_what_is_no_mask_is_named(tmp_path, value, words):
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, laid_out(lambda number: value, numbers=(0,)), val_percent=0,
                       sets=["train"])  # fmt: skip
