"""Image and label folders of what a data extension makes, for datasets that stay."""

from __future__ import annotations

import concurrent.futures
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError, atomic_write
from fcnkit.datasets import default_palette
from fcnkit.files import output_folder
from fcnkit.images import class_names_text, full_palette, write_label
from fcnkit.progress import Progress

from . import digits_stand_in
from .datasets import create, entry_of, kept
from .extensions import Calling, ExtensionError, Extensions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .datasets import Dataset, Entry
    from .extensions import DataExtension

_STAGES = {"train": "train_db", "val": "val_db"}
_THREADS = 2


def installed_extensions() -> Extensions:
    """Return the installed extensions of DIGITS, whose `import digits` finds our stand-in."""
    digits_stand_in.install()
    return Extensions()


def prepare_with_extension(
    name: str,
    values: Mapping[str, Any],
    out: str | os.PathLike[str],
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write what a data extension makes as `out/{train,val}/{images,labels}` and `out/classes.txt`.

    name      the extension's id
    values    of its form
    force     whether entries of the same names in `out` are replaced

    Returns the number of images of each split. Raises `InputError` where there is no such
    extension, where it fails, and for entries that are no images with labels.
    """
    progress = progress or Progress()
    found = installed_extensions()
    if name not in found.data:
        raise InputError(
            f"{name}: there is no such data extension; there are "
            f"{', '.join(found.data) or 'none'}: install its package beside this one"
        )
    extension = found.data[name]
    try:
        dataset = create(extension, values)
        with output_folder(out, force) as folder:
            counts = {
                split: _write(extension, dataset, stage, os.path.join(folder, split), progress)
                for split, stage in _STAGES.items()
            }
            if not counts["train"]:
                raise InputError(f"{name}: makes no images to train on")
            names = dataset.extension_userdata.get("class_labels")
            if names:
                with atomic_write(os.path.join(folder, "classes.txt"), "w") as file:
                    file.write(class_names_text(names))
    except ExtensionError as error:
        raise InputError(f"{name}: {error}") from error.cause
    return {split: count for split, count in counts.items() if count}


def _write(
    extension: DataExtension, dataset: Dataset, stage: str, folder: str, progress: Progress
) -> int:
    """Write the entries of a stage in their order; returns how many there are."""
    userdata = dataset.extension_userdata
    colours, names = userdata.get("color_palette"), userdata.get("class_labels")
    with Calling(extension, "reading its palette"):
        palette = full_palette([int(value) for value in colours]) if colours else None
    palette = default_palette(names) if palette is None else palette
    with Calling(extension, f"reading {stage}"):
        instance = extension(**kept(userdata))
        entries = list(instance.itemize_entries(stage))
    if not entries:
        return 0
    for kind in ("images", "labels"):
        os.makedirs(os.path.join(folder, kind))

    def encoded(number: int) -> Entry:
        with Calling(extension, f"encoding entry {number} of {stage}"):
            return entry_of(*instance.encode_entry(entries[number]))

    progress.note(f"{len(entries)} images of {stage}")
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        for begin in range(0, len(entries), 64):  # so that few images wait to be written
            numbers = range(begin, min(begin + 64, len(entries)))
            for number, entry in zip(numbers, pool.map(encoded, numbers)):
                _save(entry, folder, number, palette, f"entry {number} of {stage}")
    return len(entries)


def _save(entry: Entry, folder: str, number: int, palette: Any, title: str) -> None:
    image, label = entry
    if image.shape[2] not in (1, 3):
        raise InputError(f"{title}: has {image.shape[2]} channels; expected 1 or 3")
    if label is None:
        raise InputError(f"{title}: its label is not of one channel with class indices")
    if label.shape != image.shape[:2]:
        raise InputError(f"{title}: image and label differ in size: {image.shape}, {label.shape}")
    name = f"{number:09d}.png"
    shown = image[..., 0] if image.shape[2] == 1 else image
    Image.fromarray(np.ascontiguousarray(shown)).save(os.path.join(folder, "images", name))
    write_label(os.path.join(folder, "labels", name), label, palette)
