"""Annotations whose JSON holds something else in one place: prepared, or our error."""

import base64
import copy
import io
import json
import os
import zlib

import numpy as np
import pytest
from labelled_data import image

from caffeformat import InputError
from fcnkit.data_prep import DataOptions, prepare_data

SHAPE = {"label": "red", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}
LABELME = {"imagePath": "a.png", "imageHeight": 20, "imageWidth": 30, "shapes": [SHAPE]}
ATTRIBUTES = {"class": "red"}
VIA = {
    "a.png9": {
        "filename": "a.png",
        "regions": [
            {
                "shape_attributes": {"name": "polygon", "all_points_x": [1, 9, 9],
                                     "all_points_y": [1, 1, 9]},
                "region_attributes": ATTRIBUTES,
            },
            {"shape_attributes": {"name": "circle", "cx": 5, "cy": 5, "r": 3},
             "region_attributes": ATTRIBUTES},
        ],
    }
}  # fmt: skip


def fiftyone_mask():
    """A mask of FiftyOne's: an array file, packed, as text."""
    file = io.BytesIO()
    np.save(file, np.ones((2, 2), bool))
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


DETECTION = {"label": "red", "bounding_box": [0.1, 0.1, 0.2, 0.2], "mask": fiftyone_mask()}
SAMPLE = {
    "filepath": "a.png",
    "tags": ["train"],
    "ground_truth": {"_cls": "Detections", "detections": [DETECTION]},
}
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 30, "height": 20}],
    "categories": [{"id": 1, "name": "red"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0,
         "segmentation": [[1, 1, 9, 1, 9, 9]]}
    ],
}  # fmt: skip
META = {"classes": [{"title": "red", "shape": "any", "color": "#FF0000"}]}
OBJECT = {
    "classTitle": "red",
    "geometryType": "polygon",
    "points": {"exterior": [[1, 1], [9, 1], [9, 9]], "interior": []},
}
SUPERVISELY = {"size": {"height": 20, "width": 30}, "objects": [OBJECT]}

# Name -> (file that is changed, its content, place of the image, what else is there)
FORMATS = {
    "labelme": ("a.json", LABELME, "a.png", {}),
    "VIA": ("via.json", VIA, "a.png", {}),
    "FiftyOne": ("samples.json", {"samples": [SAMPLE]}, "a.png", {}),
    "COCO": ("a.json", COCO, "a.png", {}),
    "Supervisely": ("d/ann/a.png.json", SUPERVISELY, "d/img/a.png", {"meta.json": META}),
    "Supervisely's classes": ("meta.json", META, "d/img/a.png", {"d/ann/a.png.json": SUPERVISELY}),
}


def places(value, path=()):
    """The path of everything in a JSON value."""
    yield path
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from places(value[key], (*path, key))


def changed(content, path, odd):
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return content


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "odd",
    [5, pytest.param([5], id="list"), *(
        pytest.param(odd, id=repr(odd), marks=pytest.mark.slow)
        for odd in (None, True, -1, 1e300, "x", [], ["x"], {}, {"x": 5})
    )],
)  # fmt: skip
@pytest.mark.parametrize("name", FORMATS)
def test_something_else_in_one_place_is_our_error(tmp_path, name, odd):
    file, content, picture, others = FORMATS[name]
    (tmp_path / "in" / picture).parent.mkdir(parents=True)
    (tmp_path / "in" / picture).write_bytes(image(0))
    for other, its in others.items():
        write(tmp_path / "in" / other, its)
    options = DataOptions(val_percent=0, overlap="later")

    def prepare(found):
        write(tmp_path / "in" / file, found)
        prepare_data(tmp_path / "in", tmp_path / "out", options, force=True)

    prepare(content)
    assert os.listdir(tmp_path / "out" / "train" / "labels") == ["a.png"]
    for path in filter(None, places(content)):
        try:
            prepare(changed(content, path, odd))
        except InputError as error:
            assert str(tmp_path / "in") in str(error)
