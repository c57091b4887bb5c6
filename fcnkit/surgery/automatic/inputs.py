"""Finds how a classifier's images were preprocessed, because its FCN's images need the same.

A deploy net does not say; the data layers of the net that it was trained with do, or the mean.txt
that convert_weights writes beside it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, infer_shapes, read_mean, read_net
from fcnkit import nets
from fcnkit.images import count_channels, parse_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from caffeformat import pb

    from .fcn import FCN


class Images(NamedTuple):
    """How pixel values from 0 to 255 are preprocessed."""

    # Subtracted first: one value per channel, blue first, or one for all; empty for none
    mean: tuple[float, ...]
    # Multiplied with then
    scale: float
    # Where this is stated, None if nowhere
    source: str | None
    # A mean image that is named but not found
    lost: str | None
    # One more line for people
    note: str | None = None


def images_of(net: pb.NetParameter, path: str) -> Images:
    """The `Images` of a classifier, `net`, that was read from the file `path`.

    If a deploy.prototxt has no data layers, they are read from a train_val.prototxt beside it,
    otherwise a mean from a mean.txt.
    """
    found = _stated(net, path)
    folder, file = os.path.split(path)
    if found is None and file == "deploy.prototxt":
        train_val, mean = (
            os.path.join(folder, name) for name in ("train_val.prototxt", "mean.txt")
        )
        if os.path.isfile(train_val):
            found = _stated(read_net(train_val), train_val)
        if found is None and os.path.isfile(mean) and _reads_colour(net):
            found = Images(tuple(parse_mean(mean).tolist()), 1.0, "from mean.txt", None)
    return found or Images((), 1.0, None, None)


def images_of_model(mean: ArrayLike | None, scale: float, source: str) -> Images:
    """The `Images` of a model that states its mean, a value per channel or an image, and scale."""
    return Images(() if mean is None else _channel_means(np.asarray(mean)), scale, source, None)


def _channel_means(mean: NDArray[Any]) -> tuple[float, ...]:
    return tuple(mean.reshape(len(mean), -1).mean(1).tolist())


def mean_values(text: str, fcn: FCN) -> tuple[float, ...]:
    """The mean that `text` holds (see `parse_mean`), one value per channel of the FCN's image."""
    values = _channel_means(parse_mean(text))
    channels = infer_shapes(fcn.net)[fcn.image][1]
    if len(set(values)) == 1:  # one number for all
        return values[:1] * channels
    if len(values) != channels:
        raise InputError(
            f"{{option}}: the classifier's images have {count_channels(channels)}, expected one "
            "number for all or one for each",
            option="mean",
            value=text,
        )
    return values


def for_channels(images: Images, channels: int) -> Images:
    """`images` of a classifier that reads `channels` now: a mean of other channels is left out."""
    if len(images.mean) in (0, 1, channels):
        return images
    if channels == 1:
        return images._replace(mean=(sum(images.mean) / len(images.mean),))
    note = (
        f"the classifier's mean has {count_channels(len(images.mean))}: pass --mean with "
        f"{channels} values, such as mean.txt of create_lmdb"
    )
    return images._replace(mean=(), note=note)


def describe(images: Images, channels: int) -> str:
    """One or two lines of text: the preprocessing of the FCN's images, and options for it."""
    values = "blue, green and red" if channels == 3 else "values"
    text = f"images: {values} from 0 to 255"
    if images.mean:
        text += f", minus {_join(images.mean, ', ')}"
    if images.scale != 1:
        text += f", times {images.scale:g}"
    if not images.mean and images.scale == 1:
        text += ", unchanged"
    text += f" ({images.source})" if images.source else ""
    if images.lost:
        text += f"\nthe classifier's mean image, {images.lost}, is missing: pass --mean"
    elif images.note:
        text += f"\n{images.note}"
    elif not images.source:
        text += (
            "\nnothing states how the classifier's images were preprocessed: pass --mean if a mean "
            "was subtracted"
        )
    options = [f"--mean {_join(images.mean, ',')}"] if images.mean else []
    options += [f"--input-scale {images.scale:g}"] if images.scale != 1 else []
    if options:
        text += "\ntraining does this by itself; inference with deploy.prototxt needs "
        text += " ".join(options)
    return text


def _join(values: Iterable[float], between: str) -> str:
    return between.join(f"{value:.8g}" for value in values)


def _reads_colour(net: pb.NetParameter) -> bool:
    shapes = [shape.dim for layer in net.layer for shape in layer.input_param.shape]
    return any(len(shape) == 4 and shape[1] == 3 for shape in shapes)


def _stated(net: pb.NetParameter, path: str) -> Images | None:
    """The preprocessing of the first data layer that has any, or None without data layers."""
    layers = [layer for layer in net.layer if layer.type in nets.DATA_TYPES]
    if not layers:
        return None
    source = f"from {os.path.basename(path)}"
    for layer in layers:
        transform = layer.transform_param
        if transform.mean_file:
            mean = _mean_of(transform.mean_file, os.path.dirname(path))
            return Images(mean, transform.scale, source, None if mean else transform.mean_file)
        if transform.mean_value or transform.scale != 1:
            return Images(tuple(transform.mean_value), transform.scale, source, None)
    return Images((), 1.0, source, None)


def _mean_of(file: str, folder: str) -> tuple[float, ...]:
    """The mean colour of a mean image at its path, or else in the folder of the net."""
    for path in (file, os.path.join(folder, os.path.basename(file))):
        if os.path.isfile(path):
            pixels = read_mean(path)
            return tuple(pixels.reshape(len(pixels), -1).mean(1).tolist())
    return ()
