"""Images of sizes that a net or a batch does not take as they are: found before anything starts.

A Data layer hands out images as they are, so that the net stops at the first one that it cannot
take. Where image and label come from a dataset folder, a SegmentationData layer takes the place of
the Data layers: it pads the images, or cuts them into windows, as inference does.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError, open_database, open_text, pb
from fcnkit import nets
from fcnkit.datasets import is_segmentation_data, size_of_datum, size_of_file

from .augmented import augment_net, batch_size, crop_of, set_batch_size, sizes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .run_files import RunFiles

    Size = tuple[int, int]
    Steps = tuple[tuple[int, int], tuple[int, int]]

# The layers that read a list of image files, and the field with the list.
_LISTS = {
    "ImageData": "image_data_param",
    "ImageSegData": "image_data_param",
    "DenseImageData": "dense_image_data_param",
}


def fit_plain_readers(files: RunFiles) -> None:
    """Make sure that Caffe's own data layers hand out sizes that the nets of `files` take.

    Raises `InputError` naming the first image that does not fit, where the layers that read it
    cannot be replaced.
    """
    own = crop_of(files.train)
    for net, split in files.splits():
        images = [
            layer
            for layer in nets.data_layers(net)
            if (layer.type == "Data" or layer.type in _LISTS) and not nets.is_label(layer.top[0])
        ]
        sizes = sizes_of(net, own) if len(images) == 1 and not _is_resized(images[0]) else None
        steps = None if sizes is None else sizes.steps()
        misfit = None if steps is None else _first_misfit(images[0], split, steps)
        if steps is None or misfit is None:
            continue
        name, (height, width) = misfit
        found = f"{name} is {width} x {height}, but net {net.name!r} takes {_describe(steps)}"
        folder = _dataset_folder(net, split)
        if folder is None:
            raise InputError(
                f"{found}: scale or crop the images, or let the net read a dataset folder "
                "({data}), whose images are padded",
                option="data",
            )
        # As the Data layers read them: in order, and mirrored where they are
        augment_net(net, split, folder, {"shuffle": False}, files.find, own)
        files.notes.append(f"{found}: images of the {split} net are padded to sizes that it takes")


def read_sizes_apart(files: RunFiles) -> None:
    """Let the test nets of `files` read one image at a time where images differ in size.

    In a batch SegmentationData would pad them to the size of the largest, so that the net would see
    other inputs than in `score`; Caffe's Data layers refuse such a batch.
    """
    for net in files.tests:
        if (batch_size(net) or 1) > 1 and crop_of(net) is None and _differ(_tested(files, net)):
            set_batch_size(net, 1)


def _tested(files: RunFiles, net: pb.NetParameter) -> Iterator[Size]:
    """The sizes of the images that a test net reads."""
    for layer in nets.data_layers(net):
        if is_segmentation_data(layer):
            yield from files.sizes(layer)
        elif not nets.is_label(layer.top[0]):
            yield from (size for _, size in _sizes(layer, "val"))


def _differ(sizes: Iterator[Size]) -> bool:
    first = next(sizes, None)
    return any(size != first for size in sizes)


def _is_resized(layer: pb.LayerParameter) -> bool:
    """Whether a layer gives all images one size, which the engine holds against the net."""
    transform, param = layer.transform_param, layer.image_data_param
    dense = layer.dense_image_data_param
    return any(
        (
            transform.crop_size,
            transform.crop_height,
            param.new_height,
            dense.crop_height,
            dense.new_height,
        )
    )


def _first_misfit(layer: pb.LayerParameter, split: str, steps: Steps) -> tuple[str, Size] | None:
    """(what to call it, its height and width) of the first image that the net does not take."""
    for name, size in _sizes(layer, split):
        if not all(_fits(length, *step) for length, step in zip(size, steps)):
            return name, size
    return None


def _fits(length: int, step: int, offset: int) -> bool:
    return (length - offset) % step == 0 if step else length == offset


def _sizes(layer: pb.LayerParameter, split: str) -> Iterator[tuple[str, Size]]:
    """The images that a layer reads, from their headers; none where its source is not there."""
    if layer.type != "Data":
        yield from _listed_sizes(layer)
        return
    param = layer.data_param
    if not os.path.isdir(param.source):
        return  # told later, with more to say
    backend = "LMDB" if param.backend == pb.DataParameter.LMDB else "LEVELDB"
    with open_database(param.source, backend) as database:
        for number, (key, value) in enumerate(database.items(), 1):
            name = f"image {number} of {split} ({key.decode('utf-8', 'replace')})"
            yield name, size_of_datum(value, name)


def _listed_sizes(layer: pb.LayerParameter) -> Iterator[tuple[str, Size]]:
    param = getattr(layer, _LISTS[layer.type])
    with contextlib.suppress(InputError, OSError):  # the engine says what is wrong with the list
        with open_text(param.source) as file:
            lines = file.read().splitlines()
        for line in filter(None, map(str.strip, lines)):
            path = line.rpartition(" ")[0] if layer.type == "ImageData" else line.split()[0]
            path = param.root_folder + path
            yield path, size_of_file(path)


def _dataset_folder(net: pb.NetParameter, split: str) -> str | None:
    """The dataset folder whose images and labels the two Data layers of `net` read, if they do."""
    readers = nets.data_layers(net)
    sources = {}
    for layer in readers:
        if layer.type != "Data" or len(layer.top) != 1:
            return None
        kind = "labels" if nets.is_label(layer.top[0]) else "features"
        sources[kind] = os.path.abspath(layer.data_param.source)
    database = os.path.dirname(sources.get("features", ""))
    is_whole = len(readers) == 2 and sources.get("labels") == os.path.join(database, "labels")
    if not is_whole or os.path.basename(database) != f"{split}_db":
        return None
    return os.path.dirname(database)


def _describe(steps: Steps) -> str:
    """Such as `heights of 32 k and widths of 32 k`, for the sizes that a net takes."""
    parts = []
    for what, (step, offset) in zip(("height", "width"), steps):
        if step == 0:
            parts.append(f"a {what} of {offset}")
        elif step == 1:
            parts.append(f"any {what}")
        else:
            parts.append(f"{what}s of {step} k" + (f" + {offset}" if offset else ""))
    return f"only {' and '.join(parts)}"
