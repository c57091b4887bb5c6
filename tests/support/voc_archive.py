"""A small archive in VOC's layout, in every format."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from fcnkit.images import voc_palette

IDS = {"train": ["2007_000001", "2007_000002", "2007_000003"], "val": ["2008_000001"]}
SIZES = [(40, 30), (32, 32), (24, 36), (40, 30)]


def encoded(array, form, palette=None):
    """An array as the bytes of an image file."""
    image = Image.fromarray(array)
    if palette is not None:
        image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def voc_files(name="VOC2012"):
    """Names and contents of a small VOC archive, image sets first."""
    random = np.random.RandomState(1)
    root = f"VOCdevkit/{name}"
    files = {}
    for split, ids in IDS.items():
        files[f"{root}/ImageSets/Segmentation/{split}.txt"] = "".join(
            f"{i}\n" for i in ids
        ).encode()
    every = IDS["train"] + IDS["val"]
    for id_, (width, height) in zip(every + ["2009_000009"], SIZES + [(20, 20)]):
        photo = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
        files[f"{root}/JPEGImages/{id_}.jpg"] = encoded(photo, "JPEG")
        files[f"{root}/Annotations/{id_}.xml"] = b"<annotation/>"
    for id_, (width, height) in zip(every, SIZES):
        classes = random.choice([0, 1, 15, 20, 255], (height, width)).astype(np.uint8)
        label = encoded(classes, "PNG", voc_palette())
        files[f"{root}/SegmentationClass/{id_}.png"] = label
    return files


def write_tar(path, files, mode="w"):
    """Write `files` (name -> bytes, or a TarInfo for what is not a file) as a tar.

    They may also be (name, content) pairs, whose names may be repeated.
    """
    with tarfile.open(path, mode) as tar:
        for name, content in files.items() if isinstance(files, dict) else files:
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_archive(form, folder, files):
    """Write `files` in the form called `form`; returns its path."""
    if form == "folder":
        for name, content in files.items():
            path = folder / "expanded" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder / "expanded" / "VOCdevkit"
    if form == "zip":
        path = folder / "voc.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    mode = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}[form]
    return write_tar(folder / f"voc.{form}", files, mode)
