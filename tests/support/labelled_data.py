"""Labelled images as annotation tools export them, in folders and archives, with their truth."""

import base64
import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image

from fcnkit.data_prep import DataOptions, prepare_data
from fcnkit.images import read_label, read_rgb
from fcnkit.progress import Progress

# The colours of the classes 0, 1, 2 in images, which tell what their labels must be.
SHADES = np.array([[90, 90, 90], [220, 40, 30], [30, 60, 220]], np.uint8)


def truth(number, size=(20, 30)):
    """The H x W class indices (0, 1, 2) of image `number`; those of two numbers differ."""
    blocks = np.random.RandomState(number).randint(0, 3, (size[0] // 5, size[1] // 5))
    return np.repeat(np.repeat(blocks, 5, 0), 5, 1).astype(np.uint8)


def image(number, form="PNG", size=(20, 30)):
    """Image `number` as the bytes of a file."""
    return encoded(SHADES[truth(number, size)], form)


def label(number, colours=None, ignored=(), form="PNG"):
    """The label of image `number` as a file: grey indices, or `colours` (N x 3) of the classes.

    The rows `ignored` have the colour after those of the classes, or 255.
    """
    classes = truth(number).astype(int)
    classes[list(ignored)] = 255 if colours is None else 3
    array = classes if colours is None else np.asarray(colours)[classes]
    return encoded(array.astype(np.uint8), form)


def encoded(array, form="PNG"):
    """An array as the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, form, **({"quality": 95} if form == "JPEG" else {}))
    return file.getvalue()


def pack(form, path, files):
    """Write `files` (name -> bytes or text) to the folder `path` or an archive beside it."""
    files = {n: c.encode() if isinstance(c, str) else c for n, c in files.items()}
    if form == "folder":
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
        return path
    target = path.with_suffix(f".{form}")
    if form == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return target
    with tarfile.open(target, "w:gz" if form == "tar.gz" else "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target


def pairs_of(folder):
    """{id: (shades of the image as class indices, label)} of what was prepared, without suffix."""
    found = {}
    for path in sorted((folder / "images").rglob("*")):
        if path.is_file():
            id_ = path.relative_to(folder / "images").as_posix()[: -len(path.suffix)]
            distance = np.abs(read_rgb(path)[..., None, :].astype(int) - SHADES).sum(-1)
            found[id_] = distance.argmin(-1), read_label(folder / "labels" / f"{id_}.png")
    return found


def check_pairs(folder, ids, meaning=(0, 1, 2), ignored=()):
    """Assert that a split has just the images `ids`, each with its label.

    `meaning` has the index that each class became; the rows `ignored` are 255.
    """
    found = pairs_of(folder)
    assert sorted(found) == sorted(ids)
    for id_, (shown, classes) in found.items():
        expected = np.asarray(meaning)[shown]
        expected[list(ignored)] = 255
        assert np.array_equal(classes, expected), id_


def polygons(number, extent=5):
    """[(class, corners)] of image `number`: each block of 5 x 5 that is not background.

    `extent` is 5 for corners between pixels, as COCO has them, and 4 for corners in the middle of
    pixels whose outline belongs to the shape, as labelme has them.
    """
    classes = truth(number)
    return [
        (int(classes[y, x]), [[x + dx * extent, y + dy * extent] for dx, dy in _SQUARE])
        for y in range(0, 20, 5)
        for x in range(0, 30, 5)
        if classes[y, x]
    ]


_SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1))


def labelme_json(number, path, names=("red", "blue"), with_image=False, **changes):
    """labelme's file for image `number`."""
    shapes = [
        {"label": names[class_ - 1], "points": corners, "shape_type": "polygon", "flags": {}}
        for class_, corners in polygons(number, 4)
    ]
    content = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": path,
        "imageData": base64.b64encode(image(number)).decode() if with_image else None,
        "imageHeight": 20,
        "imageWidth": 30,
    }
    return json.dumps({**content, **changes})


def coco_json(files, categories=((1, "red"), (2, "blue")), **changes):
    """COCO's file for `files`, {file name: number of the image}."""
    images, annotations = [], []
    for key, (file, number) in enumerate(files.items(), 1):
        images.append({"id": key, "file_name": file, "width": 30, "height": 20})
        for class_, corners in polygons(number):
            flat = [float(value) for corner in corners for value in corner]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": key,
                    "category_id": categories[class_ - 1][0],
                    "segmentation": [flat],
                    "iscrowd": 0,
                }
            )
    named = [{"id": key, "name": name, "supercategory": ""} for key, name in categories]
    content = {"info": {}, "licenses": [], "categories": named, "images": images}
    return json.dumps({**content, "annotations": annotations, **changes})


class Notes(Progress):
    """Keeps the notes."""

    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


def prepare_export(tmp_path, files, form="folder", **options):
    """(what was prepared, notes) of `files` in the form `form`, into tmp_path/out."""
    notes = Notes()
    source = pack(form, tmp_path / "source", files)
    prepared = prepare_data(source, tmp_path / "out", DataOptions(**options), progress=notes)
    return prepared, notes.lines


def two_sets(image_at, label_at, sets=("train", "val"), label_of=label, form="PNG"):
    """Files of two images per set at the places that the templates name, and their ids."""
    files, ids = {}, {}
    for first, name in enumerate(sets):
        for number in (2 * first, 2 * first + 1):
            place = {"set": name, "id": f"im{number}"}
            files[image_at.format(**place)] = image(number, form)
            files[label_at.format(**place)] = label_of(number)
            ids.setdefault(name, []).append(place["id"])
    return files, list(ids.values())
