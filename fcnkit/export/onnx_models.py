"""Reads an ONNX model as a trained network: with the settings in its folder, if it has any."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError
from fcnkit.files import read_json
from fcnkit.images import ImageForm
from fcnkit.inference import TrainedNet

from .model_folder import CONFIG

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BYTES = 1 << 20  # of the settings
_MOST_CLASSES = 256


def read_onnx_model(path: str | os.PathLike[str]) -> tuple[TrainedNet, str | None]:
    """(the model at `path` as a `TrainedNet`, the order of its channels or None).

    What is known beyond the model is what `config.json` in its folder says of it, as
    `write_model_folder` writes it. Raises `FormatError` where that cannot be used.
    """
    path = os.fspath(path)
    config = os.path.join(os.path.dirname(path), CONFIG)
    if not os.path.isfile(config):
        return TrainedNet(path, path), None
    found = read_json(config, _MOST_BYTES)
    own = found.get("onnx") if isinstance(found, dict) else None
    if not isinstance(own, dict) or own.get("file") != os.path.basename(path):
        return TrainedNet(path, path), None  # of something else
    try:
        return _trained(path, found)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            config,
            f"not the settings of a model, as the export of a model folder writes them: {error!r}",
        ) from error


def _trained(path: str, config: dict[str, Any]) -> tuple[TrainedNet, str | None]:
    labels, prepared = config["id2label"], config["preprocessing"]
    if len(labels) > _MOST_CLASSES:
        raise ValueError(f"{len(labels)} classes")
    names = [str(labels[str(index)]) for index in range(len(labels))]
    mean, order = prepared["mean"], prepared["channel_order"]
    if order not in (None, "BGR", "RGB"):
        raise ValueError(f"channel_order {order!r}")
    trained = TrainedNet(
        path,
        path,
        None if mean is None else np.array(mean, np.float32),
        float(prepared["scale"]),
        names,
        _palette(config.get("palette")),
        int(config["ignore_label"]),
        ImageForm(int(prepared["channels"])),
    )
    return trained, order


def _palette(colours: Any) -> NDArray[np.uint8] | None:
    if colours is None:
        return None
    palette = np.zeros((256, 3), np.uint8)
    given = np.array(colours)
    if given.ndim != 2 or given.shape[1] != 3 or given.min() < 0 or given.max() > 255:
        raise ValueError("palette: expected colours of three values from 0 to 255")
    palette[: len(given)] = given
    return palette
