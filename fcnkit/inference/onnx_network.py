"""ONNX models in place of a net and its weights: `OnnxSegmenter` does what a `Segmenter` does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from fcnkit import engine
from fcnkit.images import ImageForm, Preprocessor
from fcnkit.nets import window_starts
from fcnkit.runtimes import OnnxSession

from .averaging import Evaluation
from .fitting import FittedNetwork
from .network import Network
from .segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class OnnxSegmenter(Segmenter):
    """An ONNX model that turns images into class scores and class maps, as a `Segmenter` does.

    Where the model itself takes images, `preprocessor` is not used. `output_blob` names the output
    (default: the first). `form` says what images it was made for (default: as many channels as the
    model says, of 8 bits). Models for images of one size get windows of it. Those that return class
    maps have no scores: only `segment` and the masks of images of their size are to be had from
    them. Raises `InputError` for files that cannot be read or would do harm.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        preprocessor: Preprocessor | None = None,
        output_blob: str | None = None,
        form: ImageForm | None = None,
        scale_to: int | None = None,
        evaluation: Evaluation | None = None,
    ) -> None:
        self._path = self._weights = os.fspath(path)
        session = OnnxSession(path)
        model = _OnnxNetwork(session, output_blob)
        given = form or ImageForm()
        depth = given.depth or session.image_depth or "uint8"
        self.form = ImageForm(given.channels or session.channels or 3, depth, given.white)
        self.preprocessor = preprocessor or Preprocessor()
        if session.takes_images:
            self.preprocessor = Preprocessor(None, 1.0, "RGB")
        self.preprocessor.check(self.form.channels or 3)
        self.scale_to, self.evaluation = scale_to, evaluation or Evaluation()
        self.input_blob = next(iter(session.inputs))
        sizes = None if session.size is None else _OneSize(session.size)
        self._model = self._network = model
        self._fitted = FittedNetwork(model, self._path, self._path, sizes)
        self._input = np.empty(0, np.float32)

    def segment(  # type: ignore[override]  # no scores of class maps
        self, image: NDArray[Any], name: str = "image"
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8]]:
        """(scores, class map) of `image` (H x W x channels): C x H x W float32, H x W uint8.

        Scores are None where the model returns only class maps, and may be NaN or infinite. Raises
        `InputError` for outputs that are not of the image's size.
        """
        fitted = self._limited(self.form.fit(image, name))
        if not self._model.gives_class_maps and not self._is_whole(fitted):
            return super().segment(image, name)
        data = self._filled(fitted)
        made = self._model.run(data) if self._model.gives_class_maps else self._model.forward(data)
        if made.shape[-2:] != fitted.shape[:2]:
            raise InputError(
                f"{self._path}: for {name}, {fitted.shape[1]}x{fitted.shape[0]}, it returns "
                f"{'x'.join(map(str, made.shape))}; expected classes x height x width of the image"
            )
        if self._model.gives_class_maps:
            return None, made.reshape(fitted.shape[:2]).astype(np.uint8)
        return made[0], made[0].argmax(0).astype(np.uint8)

    @property
    def path(self) -> str:
        """The model's file."""
        return self._path

    def inputs(self, image: NDArray[Any], name: str = "image") -> Iterator[NDArray[Any]]:
        """What the model is given for `image`: the array of its input, or one for each window.

        For those who run the model themselves, for instance to calibrate it. The evaluation's
        scales do not count. The next image may overwrite the arrays.
        """
        data = self._filled(self._limited(self.form.fit(image, name)))
        height, width = self._fitted.window((data.shape[2], data.shape[3]))
        for top in window_starts(data.shape[2], height):
            for left in window_starts(data.shape[3], width):
                part = data[:, :, top : top + height, left : left + width]
                yield self._model.given(self._fitted.fitted(part))

    def _is_whole(self, image: NDArray[Any]) -> bool:
        size: tuple[int, int] = image.shape[:2]
        return self.evaluation.is_plain and self._model.size in (None, size)


class _OnnxNetwork(Network):
    """A model file under the methods of a `Network`."""

    def __init__(self, session: OnnxSession, output: str | None) -> None:
        self._session, self.size = session, session.size
        self.output_blob = output or session.outputs[0]
        self.unmatched = []  # a model has all its weights
        self.note = None
        if len(session.inputs) != 1:
            raise InputError(
                f"{session.path}: has the inputs {', '.join(session.inputs)}; expected one, an "
                "image"
            )
        self.gives_class_maps = session.is_integer(self.output_blob)

    @property
    def runtime(self) -> str:
        return "onnxruntime"

    @property
    def returns_copies(self) -> bool:
        return True

    def forward(self, data: NDArray[np.float32], name: str = "image") -> NDArray[np.float32]:
        if self.gives_class_maps:
            raise InputError(
                f"{self._session.path}: output {self.output_blob!r} is a class map; expected class "
                "scores: export the model without the class map, or choose another output with "
                "{option}",
                option="output_blob",
            )
        made = self.run(data)
        if made.ndim == 3:
            made = made[None]
        if made.ndim != 4:
            raise InputError(
                f"{self._session.path}: output {self.output_blob!r} is "
                f"{'x'.join(map(str, made.shape))}; expected 1 x classes x height x width"
            )
        return made.astype(np.float32, copy=False)

    def run(self, data: NDArray[np.float32]) -> NDArray[Any]:
        """The output for `data`, 1 x C x H x W, whatever it is."""
        return self._session.run([self.given(data)], self.output_blob)

    def given(self, data: NDArray[np.float32]) -> NDArray[Any]:
        """The array that the model's input gets for `data`, 1 x C x H x W."""
        given = data[0].transpose(1, 2, 0) if self._session.takes_images else data
        return np.ascontiguousarray(given, np.dtype(self._session.image_depth or "float32"))

    def output_shape(self, shape: Sequence[int], name: str = "image") -> tuple[int, ...]:
        # A model's shapes are known once it runs.
        return tuple(self.forward(np.zeros(shape, np.float32), name).shape)

    def engine_net(self, shape: Sequence[int], name: str = "image") -> tuple[engine.Net, str]:
        raise InputError(
            f"{self._session.path}: an ONNX model has no net in an engine, whose layers could be "
            "looked at: open the prototxt and the caffemodel"
        )


class _OneSize:
    """The size of all images that a model takes, under the method of `nets.ImageSizes`."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size

    def nearest(self, size: tuple[int, int]) -> tuple[int, int]:
        return self._size
