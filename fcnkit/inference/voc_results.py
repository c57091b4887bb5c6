"""Packs masks as the PASCAL VOC evaluation server takes them, after it has checked all of them."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from typing import TYPE_CHECKING

from caffeformat import InputError, atomic_write, brief, listed
from caffeformat.files import open_text
from fcnkit.images import open_image, paletted_image, read_label, voc_palette

from .scoring import VOC_COUNT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.progress import Progress

    Path = Union[str, os.PathLike[str]]

# Trained on VOC's own data only, and on any data.
COMPETITIONS = ("comp5", "comp6")

_FOLDER = "results/VOC2012/Segmentation/{}_test_cls/"
_ID = re.compile(r"[A-Za-z0-9][\w-]*\Z", re.ASCII)
_LISTED = 3  # missing ids that an error names
_ARCHIVES = (".tar.gz", ".tgz", ".tar")


def pack_voc_results(
    masks: Path,
    image_set: Path,
    archive: Path,
    images: Path | None = None,
    competition: str = "comp6",
    progress: Progress | None = None,
) -> list[str]:
    """Pack the masks of an image set into an archive for VOC's server; returns the ids.

    masks        folder with a PNG `<id>.png` per image, as `segment_files` writes them; others in
                 it are left out
    image_set    VOC's list of ids, such as `VOC2012/ImageSets/Segmentation/test.txt`
    archive      to write: .tar.gz, .tgz or .tar, with the folder
                 `results/VOC2012/Segmentation/<competition>_test_cls`
    images       folder with `<id>.jpg`; default: `JPEGImages` beside `ImageSets`
    competition  "comp5": trained on VOC's data only; "comp6": on any data

    The packed masks are paletted PNGs with VOC's colours that hold class indices alone. Raises
    `InputError`, and writes nothing, where an id has no mask, a mask has another size than its
    image, or holds anything but the indices 0 to 20.
    """
    if competition not in COMPETITIONS:
        raise InputError(
            f"competition {competition!r}: expected {' or '.join(COMPETITIONS)}",
            option="competition",
        )
    shown = os.fspath(archive)
    if not shown.endswith(_ARCHIVES):
        raise InputError(f"{shown}: expected a name that ends in {', '.join(_ARCHIVES)}")
    ids = read_image_set(image_set)
    _check_complete(masks, ids, image_set)
    photos = _images_of(image_set) if images is None else os.fspath(images)
    folder, palette = _FOLDER.format(competition), voc_palette()
    with atomic_write(archive) as file:
        # Without times and owners: the same masks make the same archive.
        packed = file if shown.endswith(".tar") else gzip.GzipFile("", "wb", 9, file, 0)
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for number, id_ in enumerate(ids, 1):
                mask = _checked_mask(os.path.join(masks, f"{id_}.png"), photos, id_)
                buffer = io.BytesIO()
                paletted_image(mask, palette).save(buffer, format="PNG", bits=8)
                info = tarfile.TarInfo(f"{folder}{id_}.png")
                info.size = buffer.tell()
                buffer.seek(0)
                tar.addfile(info, buffer)
                if progress is not None:
                    progress.step(number, len(ids))
        if packed is not file:
            packed.close()
    return ids


def read_image_set(path: Path) -> list[str]:
    """The ids of a list of VOC's, one per line, in order; `InputError` where it is none."""
    with open_text(path) as file:
        try:
            lines = [line.strip() for line in file]
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not a text: expected one id per line") from error
    ids = [line for line in lines if line]
    for number, id_ in enumerate(lines, 1):
        if id_ and not _ID.match(id_):
            raise InputError(
                f"{path}:{number}: {brief(id_)} is not an id such as 2008_000001; expected one per "
                "line, as in ImageSets/Segmentation/test.txt"
            )
    if not ids:
        raise InputError(f"{path}: is empty; expected one id per line")
    if len(set(ids)) != len(ids):
        twice = next(id_ for number, id_ in enumerate(ids) if id_ in ids[:number])
        raise InputError(f"{path}: {twice} is in it twice")
    return ids


def _check_complete(masks: Path, ids: Sequence[str], image_set: Path) -> None:
    there = set(os.listdir(masks)) if os.path.isdir(masks) else set()
    missing = [id_ for id_ in ids if f"{id_}.png" not in there]
    if missing:
        raise InputError(
            f"{masks}: has no mask of {listed(missing, _LISTED)}, which {image_set} "
            f"lists: expected {len(ids)} files <id>.png; segment the images of the set first"
        )


def _images_of(image_set: Path) -> str:
    """The folder `JPEGImages` of the data that `image_set` belongs to."""
    up = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(image_set))))
    folder = os.path.join(up, "JPEGImages")
    if not os.path.isdir(folder):
        raise InputError(
            f"{image_set}: there is no folder {folder} to compare sizes with: pass {{option}}",
            option="images",
        )
    return folder


def _checked_mask(path: str, photos: str, id_: str) -> NDArray[np.uint8]:
    mask = read_label(path)
    with open_image(os.path.join(photos, f"{id_}.jpg")) as image:
        width, height = image.size
    if mask.shape != (height, width):
        raise InputError(
            f"{path}: is {mask.shape[1]}x{mask.shape[0]}, but its image is {width}x{height}: the "
            "server takes masks of the image's size only"
        )
    highest = int(mask.max())
    if highest >= VOC_COUNT:
        why = ", pixels below a confidence" if highest == 255 else ""
        raise InputError(
            f"{path}: holds index {highest}{why}; the server takes 0 to {VOC_COUNT - 1} only: "
            "segment with a net of VOC's classes, and leave no pixel out"
        )
    return mask
