"""What images a run's nets read: one number of channels and one depth, held against the nets.

A net starts with any data whose shape fits, and fails in the middle of training, or cannot be used
afterwards, where images differ from each other or from what its weights were made for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, open_database, pb, read_caffemodel, read_mean
from fcnkit import nets
from fcnkit.datasets import (
    DatasetFolder,
    can_become,
    check_augmentation,
    common_channels,
    describe_form,
    form_of_datum,
    is_segmentation_data,
    options_of,
    set_options,
)
from fcnkit.images import ImageForm, count_channels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .run_files import RunFiles

    # A name for messages, and what the image is.
    Found = Iterator[tuple[str, ImageForm]]


class _Reader(NamedTuple):
    """A layer that reads the images of a net."""

    net: pb.NetParameter
    layer: pb.LayerParameter
    split: str


def settle_images(files: RunFiles, weights: Sequence[str] = ()) -> None:
    """Find out what images the nets of `files` read, and set `files.form` and `files.bands`.

    SegmentationData layers are told the number of channels and the depth. `weights` are caffemodels
    that the run starts from. Raises `InputError` naming the first image that does not fit. Nets
    that read several images at a time, or none that can be looked at, are left alone.
    """
    readers = [
        _Reader(net, layer, split)
        for net, split in files.splits()
        for layer in nets.data_layers(net)
        if not nets.is_label(layer.top[0])
    ]
    in_training = [reader for reader in readers if reader.net is files.train]
    if len(in_training) != 1 or not all(_can_be_looked_at(reader.layer) for reader in readers):
        return
    channels, why = _expected(files, in_training[0], weights)
    form = ImageForm(channels)
    for reader in in_training + [other for other in readers if other not in in_training]:
        form, why = _settle(reader, form, why)
    files.form = form
    folder = _dataset_of(in_training[0])
    if folder is not None:
        files.bands = folder.bands
        if folder.form.white is not None and form.depth == "uint8":
            files.form = ImageForm(form.channels, form.depth, folder.form.white)


def _can_be_looked_at(layer: pb.LayerParameter) -> bool:
    return layer.type == "Data" or is_segmentation_data(layer)


def _settle(reader: _Reader, form: ImageForm, why: str) -> tuple[ImageForm, str]:
    """(`form` with what was still open, why) after a look at all images of a layer."""
    is_free = is_segmentation_data(reader.layer)
    white = options_of(reader.layer).get("white") if is_free else None
    if is_free and form.channels is None:
        form = ImageForm(common_channels(found for _, found in _images(reader)), form.depth)
    for name, found in _images(reader):
        depth = "uint8" if white is not None else found.depth
        if form.channels is None or form.depth is None:
            form = ImageForm(form.channels or found.channels, form.depth or depth)
            why = why or f"as the first image, {name}, has"
        fits = found.channels == form.channels or (
            is_free and can_become(found, form.channels or 0)
        )
        if not fits:
            raise _other_channels(reader.net, form, why, name, found)
        if depth != form.depth:
            raise InputError(
                f"{name}: is {describe_form(found)}, the first image of {form.depth}: values of 8 "
                "bits, 16 bits and floats do not mean the same: make the dataset of one kind"
            )
    if is_free:
        check_augmentation(options_of(reader.layer), form.channels, f"net {reader.net.name!r}")
        set_options(reader.layer, channels=form.channels, depth=form.depth)
    return ImageForm(form.channels, form.depth, white if white is not None else form.white), why


def _other_channels(
    net: pb.NetParameter, form: ImageForm, why: str, name: str, found: ImageForm
) -> InputError:
    expected = form.channels or 0
    words = {3: "color", 1: "grey"}
    is_easy = found.channels in words and expected in words
    advice = "" if is_easy else f", or use a net for {count_channels(found.channels or 0)}"
    return InputError(
        f"net {net.name!r} expects {count_channels(expected)} ({why}), but {name} has "
        f"{found.channels}: make the dataset with {{option}}{advice}",
        option="channels",
        value=words.get(expected, expected),
    )


def _expected(files: RunFiles, reader: _Reader, weights: Sequence[str]) -> tuple[int | None, str]:
    """(the number of channels that the net says itself, where), or (None, "")."""
    image, layer = reader.layer.top[0], reader.layer
    declared = nets.declared_channels(files.deploy, image)
    if declared is not None:
        return declared, "by its Input layer"
    if is_segmentation_data(layer):
        means = len(options_of(layer).get("mean") or ())
    else:
        transform = layer.transform_param
        means = len(transform.mean_value)
        if transform.mean_file:
            means = len(read_mean(files.find(transform.mean_file)))
    if means > 1 or (means and layer.transform_param.mean_file):
        return means, "by its mean"
    for path in weights:
        found = nets.channels_of_weights(reader.net, image, read_caffemodel(path))
        if found is not None:
            return found, f"by {path}"
    return None, ""


def _dataset_of(reader: _Reader) -> DatasetFolder | None:
    """The dataset folder that a layer reads a split of, if it is one."""
    if is_segmentation_data(reader.layer):
        source = options_of(reader.layer).get("source")
        return DatasetFolder(source) if isinstance(source, str) else None
    source = os.path.abspath(reader.layer.data_param.source)
    folder = os.path.dirname(os.path.dirname(source))
    if source != os.path.join(folder, f"{reader.split}_db", "features"):
        return None
    return DatasetFolder(folder)


def _images(reader: _Reader) -> Found:
    """Every image that a layer reads, or one for all where the dataset says that they are alike."""
    folder, layer = _dataset_of(reader), reader.layer
    transform = layer.transform_param
    color = True if transform.force_color else False if transform.force_gray else None
    is_stored = folder is not None and folder.has(reader.split)
    if is_stored and folder is not None and color is None and _says_it_all(folder, reader):
        yield f"every image of {folder.path}", folder.form
    elif layer.type == "Data":
        backend = "LMDB" if layer.data_param.backend == pb.DataParameter.LMDB else "LEVELDB"
        place = os.path.basename(os.path.dirname(os.path.abspath(layer.data_param.source)))
        with open_database(layer.data_param.source, backend) as database:
            for number, (key, value) in enumerate(database.items(), 1):
                name = f"image {number} of {place} ({key.decode('utf-8', 'replace')})"
                yield name, form_of_datum(value, name, color)
    elif folder is not None:
        with folder:
            dataset = folder.split(options_of(layer).get("split", reader.split))
            for i in range(len(dataset)):
                yield f"image {i + 1} of {reader.split} ({dataset.ids[i]})", dataset.form(i)


def _says_it_all(folder: DatasetFolder, reader: _Reader) -> bool:
    """Whether `create_lmdb` wrote the databases of the layer's split, and what all images are."""
    form = folder.form
    is_there = os.path.isdir(os.path.join(folder.path, f"{reader.split}_db", "features"))
    return is_there and form.channels is not None and form.depth is not None
