"""The options of SegmentationData layers, and the batches that such a layer reads.

The layer itself is in `fcnkit.data_layers`, which prototxts name; nothing here loads an engine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, brief
from fcnkit.files import parse_json
from fcnkit.images import ImageForm, Preprocessor

from .augment_options import augmentation_from
from .batches import ALONE, BatchLoader, Order, Turn
from .fitted_batches import FittedLoader
from .folder import open_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffeformat import pb

MODULE, LAYER = "fcnkit.data_layers", "SegmentationData"

# Everything that `param_str` may hold, and its defaults.
DEFAULTS: dict[str, Any] = {
    "source": None,  # a dataset folder: image and label folders, or LMDBs (required)
    "split": "train",  # which part of it: train or val
    "batch_size": 1,
    "crop": None,  # pixels, a number or [height, width]; smaller images are padded
    "scale": None,  # a factor or [lowest, highest] to draw from
    "flip": False,  # mirror half of the images
    "rotate": None,  # degrees, the largest angle either way
    "blur": None,  # a probability or [probability, largest radius], the radius in pixels
    "brightness": None,  # 0 to 1: values are multiplied by 1 - this to 1 + this
    "contrast": None,  # likewise, distances from the mean
    "saturation": None,  # likewise, distances from grey; RGB alone
    "hue": None,  # 0 to 0.5: the largest turn of colours, as a share of the circle; RGB alone
    "base": None,  # pixels of the longer side that a scale of 1 stands for; scale is 0.5 to 2 then
    "draw": "log",  # how the scale is drawn: uniformly in its logarithm, or "uniform"
    "interpolation": "linear",  # of images, or "cubic"
    "steps": None,  # [[step, offset], [step, offset]]: the heights and widths that the net takes
    "pad": "random",  # where images smaller than the crop lie, or in the top left "corner"
    "mean": None,  # [blue, green, red], or one value per channel, subtracted
    "input_scale": 1.0,  # factor applied after the mean was subtracted
    "shuffle": False,  # a new order in every epoch
    "seed": 0,  # decides the order and the draws
    "start": 0,  # number of samples that an earlier run has used
    "ignore": 255,  # label of padding
    "channels": None,  # of all images; grey ones become colour ones and the other way round
    "depth": None,  # "uint8", "uint16" or "float32"; other images are an error
    "white": None,  # the value of images of more than 8 bits that becomes 255
    "classes": None,  # labels from this number on are an error
    "threads": 2,  # number of threads that read and augment in the background
    "cache_mb": 512,  # MiB of decoded images that may be kept
}

# The smallest values of options that are whole numbers.
_WHOLE_NUMBERS = {
    "batch_size": 1,
    "seed": -(1 << 63),
    "start": 0,
    "ignore": -(1 << 31),
    "threads": 1,
    "cache_mb": 0,
}


def is_segmentation_data(layer: pb.LayerParameter) -> bool:
    """Whether a layer is our Python layer that reads images and labels together."""
    param = layer.python_param
    return layer.type == "Python" and (param.module, param.layer) == (MODULE, LAYER)


def options_of(layer: pb.LayerParameter) -> dict[str, Any]:
    """The options in the `param_str` of a SegmentationData layer, without defaults."""
    return _read_json(layer.python_param.param_str, repr(layer.name))


def set_options(layer: pb.LayerParameter, **options: Any) -> None:
    """Change options in the `param_str` of a SegmentationData layer."""
    layer.python_param.param_str = json.dumps({**options_of(layer), **options})


def parse_options(text: str, name: str = LAYER) -> dict[str, Any]:
    """Parse `param_str` to a dict with every key of `DEFAULTS`; `InputError` if it is wrong."""
    given = _read_json(text, name)
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise InputError(
            f"layer {name}: param_str has unknown {', '.join(unknown)}; expected some of "
            f"{', '.join(DEFAULTS)}"
        )
    options = dict(DEFAULTS, **given)
    if options["source"] is None:
        raise InputError(f'layer {name}: param_str needs "source", a dataset folder')
    for key, least in _WHOLE_NUMBERS.items():
        if type(options[key]) is not int or options[key] < least:
            raise InputError(
                f"layer {name}: {key} {options[key]!r}: expected a whole number"
                + (f" of at least {least}" if least >= 0 else "")
            )
    try:
        augmentation_from(options)
    except InputError as error:
        raise error.prefixed(f"layer {name}") from error
    return options


def open_loader(options: Mapping[str, Any], turn: Turn = ALONE) -> BatchLoader | FittedLoader:
    """Open the `BatchLoader` of a dict from `parse_options`, for the solver of `turn`.

    With `steps` a `FittedLoader`.
    """
    loader = BatchLoader(
        open_dataset(options["source"], options["split"]),
        options["batch_size"],
        Preprocessor(options["mean"], options["input_scale"]),
        augmentation_from(options),
        Order(options["seed"], options["shuffle"], options["start"], turn),
        **{key: options[key] for key in ("ignore", "classes", "threads", "cache_mb")},
        form=ImageForm(options["channels"], options["depth"], options["white"]),
    )
    if options["steps"] is None:
        return loader
    return FittedLoader(loader, options["steps"], options["ignore"])


def _read_json(text: str, name: str) -> dict[str, Any]:
    given = parse_json(text or "{}", f"layer {name}: param_str")
    if not isinstance(given, dict):
        raise InputError(f"layer {name}: expected a JSON object as param_str, found {brief(text)}")
    return given
