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
JSON; `fcnkit.datasets.DEFAULTS` lists its keys. The layer is the same on both engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit import engine
from fcnkit.datasets import NoGradient, Turn, open_loader, parse_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from torchcaffe import Layer
else:
    Layer = engine.load().Layer


class SegmentationData(NoGradient, Layer):
    """Tops: data (N x 3 x H x W) and label (N x 1 x H x W); no bottoms, no gradient."""

    takes_turns = True  # of solvers that train together, each reads its own share

    def setup(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Open the dataset and start reading ahead."""
        if len(bottom) or len(top) != 2:
            raise InputError(
                f"a SegmentationData layer has no bottoms and two tops, data and label; found "
                f"{len(bottom)} bottoms and {len(top)} tops"
            )
        in_training = self.phase == engine.load().TRAIN
        turn = Turn(*engine.data_turn(self.phase), in_training)
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
