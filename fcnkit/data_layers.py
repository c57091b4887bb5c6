"""`SegmentationData`: the Python layer that feeds a net images and labels together.

    layer {
      name: "data" type: "Python" top: "data" top: "label"
      python_param {
        module: "fcnkit.data_layers" layer: "SegmentationData"
        param_str: '{"source": "OUT", "split": "train", "batch_size": 4, "crop": 321,
                     "scale": [0.75, 1.5], "flip": true, "mean": [104, 117, 123], "seed": 1}'
      }
    }

The first top is `data` (N x 3 x H x W, BGR), the second `label` (N x 1 x H x W). `param_str` is
JSON; `DEFAULTS` lists its keys. The layer is the same on both engines.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit import engine
from fcnkit.datasets import BatchLoader, Order, augmentation_from, open_dataset
from fcnkit.images import Preprocessor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from torchcaffe import Layer
else:
    Layer = engine.load().Layer

# Everything that `param_str` may hold, and its defaults.
DEFAULTS: dict[str, Any] = {
    "source": None,  # a dataset folder: image and label folders, or LMDBs (required)
    "split": "train",  # which part of it: train or val
    "batch_size": 1,
    "crop": None,  # pixels, a number or [height, width]; smaller images are padded
    "scale": None,  # a factor or [lowest, highest] to draw from
    "flip": False,  # mirror half of the images
    "mean": None,  # [blue, green, red], subtracted
    "input_scale": 1.0,  # factor applied after the mean was subtracted
    "shuffle": False,  # a new order in every epoch
    "seed": 0,  # decides the order and the draws
    "start": 0,  # number of samples that an earlier run has used
    "ignore": 255,  # label of padding
    "classes": None,  # labels from this number on are an error
    "threads": 2,  # number of threads that read and augment in the background
    "cache_mb": 512,  # MiB of decoded images that may be kept
}


def parse_options(text: str, name: str = "SegmentationData") -> dict[str, Any]:
    """Parse `param_str` to a dict with every key of `DEFAULTS`; `InputError` if it is wrong."""
    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise InputError(f"layer {name}: param_str is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputError(f"layer {name}: expected a JSON object as param_str, found {text!r}")
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise InputError(
            f"layer {name}: param_str has unknown {', '.join(unknown)}; expected some of "
            f"{', '.join(DEFAULTS)}"
        )
    options = dict(DEFAULTS, **given)
    if options["source"] is None:
        raise InputError(f'layer {name}: param_str needs "source", a dataset folder')
    return options


def open_loader(options: Mapping[str, Any], turn: tuple[int, int] = (0, 1)) -> BatchLoader:
    """Open the `BatchLoader` of a dict from `parse_options`, for solver `turn[0]` of `turn[1]`."""
    return BatchLoader(
        open_dataset(options["source"], options["split"]),
        options["batch_size"],
        Preprocessor(options["mean"], options["input_scale"]),
        augmentation_from(options),
        Order(options["seed"], options["shuffle"], options["start"], turn),
        **{key: options[key] for key in ("ignore", "classes", "threads", "cache_mb")},
    )


class SegmentationData(Layer):
    """Tops: data (N x 3 x H x W) and label (N x 1 x H x W); no bottoms, no gradient."""

    takes_turns = True  # solvers that train together get one batch each of the same round

    def setup(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Open the dataset and start reading ahead."""
        if len(bottom) or len(top) != 2:
            raise InputError(
                f"a SegmentationData layer has no bottoms and two tops, data and label; found "
                f"{len(bottom)} bottoms and {len(top)} tops"
            )
        caffe = engine.load()
        turn = 0, 1
        if self.phase == caffe.TRAIN:
            turn = caffe.solver_rank(), caffe.solver_count()
        self._loader = open_loader(parse_options(self.param_str), turn)
        self._batch: tuple[NDArray[np.float32], ...] = ()

    def reshape(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Shape the tops for the batch that comes next."""
        if not self._batch:
            self._batch = self._loader.next()
        # By index: BVLC Caffe's lists of blobs cannot be iterated.
        for i, array in enumerate(self._batch):
            top[i].reshape(*array.shape)

    def forward(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Hand out the batch."""
        for i, array in enumerate(self._batch):
            top[i].data[...] = array
        self._batch = ()

    def backward(
        self,
        top: Sequence[engine.Blob],
        propagate_down: Sequence[bool],
        bottom: Sequence[engine.Blob],
    ) -> None:
        """Do nothing: there is no bottom to pass a gradient to."""
