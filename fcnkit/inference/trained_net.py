"""A trained network: its files, and what inference needs to know beside them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.images import ImageForm, Preprocessor

from .onnx_network import OnnxSegmenter
from .segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from .averaging import Evaluation


@dataclasses.dataclass(frozen=True)
class TrainedNet:
    """A network, its weights, how images become its input, and what its classes are called.

    net         path of its deploy net, or of an ONNX model
    weights     path of its weights; of an ONNX model the same
    mean        subtracted from the input: blue, green, red, or one value per channel (or an image's
                mean); None for nothing
    scale       multiplied after the mean
    names       class names, or None
    palette     256 x 3 RGB uint8, or None
    ignore      the label that its loss ignored in training, or None if unknown
    form        what images it was trained on: channels, depth, and the value that became 255
    bands       the channels to show as red, green and blue, counted from 1; None: the first three
    owner       keeps the files alive, for instance a temporary folder; None where they stay anyway
    """

    net: str
    weights: str
    mean: ArrayLike | None = None
    scale: float = 1.0
    names: Sequence[str] | None = None
    palette: NDArray[np.uint8] | None = None
    ignore: int | None = None
    form: ImageForm = dataclasses.field(default_factory=ImageForm)
    bands: tuple[int, ...] | None = None
    owner: object = dataclasses.field(default=None, repr=False, compare=False)

    def segmenter(
        self,
        channels: str = "BGR",
        output_blob: str | None = None,
        scale_to: int | None = None,
        gpu: int | None = None,
        allow_python: Iterable[str] = (),
        runtime: str = "auto",
        evaluation: Evaluation | None = None,
    ) -> Segmenter:
        """Open the network; `channels` is the order of its input, the rest as for `Segmenter`."""
        preprocessor = Preprocessor(self.mean, self.scale, channels)
        if is_onnx(self.net):
            if gpu is not None or runtime not in ("auto", "onnxruntime"):
                raise InputError(
                    f"{self.net}: an ONNX model runs in ONNX Runtime on the CPU alone: leave out "
                    "the GPU and other runtimes"
                )
            return OnnxSegmenter(
                self.net, preprocessor, output_blob, self.form, scale_to, evaluation
            )
        made = Segmenter(
            self.net,
            self.weights,
            preprocessor,
            output_blob,
            scale_to,
            gpu,
            allow_python,
            self.form,
            runtime,
            evaluation,
        )
        made.owner = self.owner
        return made


def is_onnx(path: str) -> bool:
    """Whether `path` names an ONNX model, which is a net and its weights in one."""
    return path.lower().endswith(".onnx")
