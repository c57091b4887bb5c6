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
from .evaluating import Evaluator
from .fitting import FittedNetwork
from .network import TOLERANCE, Network, relative_difference
from .onnx_sizes import OnnxSizes
from .predictions import check_count, stretched
from .segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class OnnxSegmenter(Segmenter):
    """An ONNX model that turns images into class scores and class maps, as a `Segmenter` does.

    Where the model itself takes images, `preprocessor` is not used. `output_blob` names the output
    (default: the first). `form` says what images it was made for (default: as many channels as the
    model says, of 8 bits). Models for images of one size get windows of it, those that take some
    sizes images padded to the next one (see `OnnxSizes`). Those that return class maps have no
    scores: only `segment` and the masks of images that need not be cut are to be had from them.
    Models for one image at a time, and those that mix the images of a batch, get one at a time
    whatever `evaluation` says. Raises `InputError` for files that cannot be read or would do harm.
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
        wide = "uint16" if session.dtype == np.uint16 else None
        depth = given.depth or session.image_depth or wide or "uint8"
        self.form = ImageForm(given.channels or session.channels or 3, depth, given.white)
        self.preprocessor = preprocessor or Preprocessor()
        if session.takes_images:
            self.preprocessor = Preprocessor(None, 1.0, "RGB")
        elif session.dtype.kind == "u" and (
            self.preprocessor.mean is not None or self.preprocessor.scale != 1
        ):
            raise InputError(
                f"{self._path}: its input is {session.dtype.name}, whole numbers from 0, which a "
                "mean or a scale does not leave: leave out {mean} and {input_scale}",
                options={"mean": None, "input_scale": None},
            )
        self.preprocessor.check(self.form.channels or 3)
        self.scale_to = scale_to
        self.input_blob = next(iter(session.inputs))
        self._model = self._network = model
        model.image_channels = self.form.channels or 3
        are_probabilities = session.has_probabilities(output_blob or session.outputs[0])
        fitted = FittedNetwork(model, self._path, self._path, OnnxSizes(model), are_probabilities)
        self._evaluator = Evaluator(fitted, self.preprocessor, evaluation or Evaluation())

    def segment(  # type: ignore[override]  # no scores of class maps
        self, image: NDArray[Any], name: str = "image"
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.uint8]]:
        """(scores, class map) of `image` (H x W x channels): C x H x W float32, H x W uint8.

        Scores are None where the model returns only class maps, and may be NaN or infinite. Raises
        `InputError` for outputs that are not of the image's size.
        """
        fitted = self._limited(self.form.fit(image, name))
        height, width = fitted.shape[:2]
        is_whole = self._evaluator.is_whole((height, width))
        if not self._model.gives_class_maps:
            size = self._evaluator.fitted.padded_size((height, width))
            if not is_whole or size != (height, width):
                return super().segment(image, name)
        elif not is_whole:
            raise InputError(
                f"{name}: {width}x{height}, but {self._path} takes smaller images and returns "
                "class maps, which cannot be averaged: export the model without the class map"
            )
        data = self._evaluator.input_for([fitted])
        made = self._model.run(data) if self._model.gives_class_maps else self._model.forward(data)
        has_size = made.shape[-2:] == data.shape[2:]
        if self._model.gives_class_maps:
            has_size = has_size and made.size == data.shape[2] * data.shape[3]
        if not has_size:
            raise InputError(
                f"{self._path}: for {name}, {data.shape[3]}x{data.shape[2]}, it returns "
                f"{'x'.join(map(str, made.shape))}; expected classes x height x width of the image"
            )
        if self._model.gives_class_maps:
            cut = made.reshape(data.shape[2:])[:height, :width]
            if cut.min() < 0 or cut.max() > 255:
                raise InputError(
                    f"{self._path}: for {name}, it returns class indices from {cut.min()} to "
                    f"{cut.max()}; expected 0 to 255"
                )
            return None, stretched(cut.astype(np.uint8), image.shape[:2])
        check_count(len(made[0]))
        return made[0], stretched(made[0].argmax(0).astype(np.uint8), image.shape[:2])

    @property
    def path(self) -> str:
        """The model's file."""
        return self._path

    def inputs(self, image: NDArray[Any], name: str = "image") -> Iterator[NDArray[Any]]:
        """What the model is given for `image`: the array of its input, or one for each window.

        For those who run the model themselves, for instance to calibrate it. The evaluation's
        scales do not count. The next image may overwrite the arrays.
        """
        data = self.preprocessor(self._limited(self.form.fit(image, name)))
        fitted = self._evaluator.fitted
        height, width = fitted.window((data.shape[2], data.shape[3]))
        for top in window_starts(data.shape[2], height):
            for left in window_starts(data.shape[3], width):
                part = data[:, :, top : top + height, left : left + width]
                yield self._model.given(fitted.fitted(part))


class _OnnxNetwork(Network):
    """A model file under the methods of a `Network`."""

    def __init__(self, session: OnnxSession, output: str | None) -> None:
        self._session, self.sides = session, session.sides
        self.image_channels = 3
        self.output_blob = output or session.outputs[0]
        self.unmatched = []  # a model has all its weights
        self.note, self.notes, self._is_said = None, [], False
        # Whether images of a batch keep to themselves; None where that was not looked at yet.
        self._is_apart: bool | None = None
        if len(session.inputs) != 1:
            raise InputError(
                f"{session.path}: has the inputs {', '.join(session.inputs)}; expected one, an "
                "image"
            )
        _refuse_channels_last(session)
        self.gives_class_maps = session.is_class_map(self.output_blob)

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
        return self._scores(data) if len(data) == 1 else self._batch(data, name)

    def _batch(self, data: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The scores of several images: those of each by itself."""
        count = 1 if self._session.takes_images else self._session.batch
        if count is not None:
            if count < len(data):
                self._say_fewer(count, "that is what it was made for")
            parts = [data[at : at + count] for at in range(0, len(data), count)]
            return np.concatenate([self._scores(part) for part in parts])
        if self._is_apart:
            return self._scores(data)
        alone = np.concatenate([self._scores(one[None]) for one in data])
        # What equal images give says nothing about whether they change each other.
        if self._is_apart is None and any(not np.array_equal(one, data[0]) for one in data):
            self._is_apart = self._agrees(data, alone)
        return alone

    def _agrees(self, data: NDArray[np.float32], alone: NDArray[np.float32]) -> bool:
        """Whether `data` together give the scores that they gave alone; a note where not."""
        try:
            if relative_difference(alone, self._scores(data)) <= TOLERANCE:
                return True
            why = "in a batch they change each other's scores"
        except InputError as error:
            why = str(error)
        self._say_fewer(1, why)
        return False

    def _say_fewer(self, count: int, why: str) -> None:
        images = "one image" if count == 1 else f"{count} images"
        self._say_once(f"{self._session.path}: runs on {images} at a time: {why}")

    def _scores(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
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
        """The output for `data`, N x C x H x W, whatever it is; N is 1 where it takes an image."""
        count = self._session.batch
        if count is None or count == len(data):
            return self._session.run([self.given(data)], self.output_blob)
        made = [self._filled_up(data, count, data[0])]
        if self._is_apart is None:
            made.append(self._filled_up(data, count, np.zeros_like(data[0])))
            self._is_apart = relative_difference(made[0], made[1]) <= TOLERANCE
        if not self._is_apart:
            raise InputError(
                f"{self._session.path}: takes batches of {count} images, which change each other's "
                "scores: export it for one image at a time"
            )
        return made[0]

    def _filled_up(
        self, data: NDArray[np.float32], count: int, other: NDArray[np.float32]
    ) -> NDArray[Any]:
        """The output for `data` in a batch of `count` images, the rest of them `other`."""
        filled = np.concatenate([data, *[other[None]] * (count - len(data))])
        return self._session.run([self.given(filled)], self.output_blob)[: len(data)]

    def given(self, data: NDArray[np.float32]) -> NDArray[Any]:
        """The array that the model's input gets for `data`, N x C x H x W."""
        given = data[0].transpose(1, 2, 0) if self._session.takes_images else data
        if self._session.dtype.kind == "u":
            given = np.rint(given)  # between the pixels of a resized image
        return np.ascontiguousarray(given, self._session.dtype)

    def made_shape(self, size: tuple[int, int]) -> tuple[int, ...] | None:
        """The shape of the output for an image of `size` (height, width), if it is known."""
        if self._session.takes_images:
            shape: tuple[int, ...] = (*size, self.image_channels)
        else:
            shape = (self._session.batch or 1, self.image_channels, *size)
        return self._session.output_shape(shape, self.output_blob)

    def tried_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of the output for an empty image of `size`."""
        return self.run(np.zeros((1, self.image_channels, *size), np.float32)).shape

    def output_shape(self, shape: Sequence[int], name: str = "image") -> tuple[int, ...]:
        # A model's shapes are known once it runs.
        return tuple(self.forward(np.zeros(shape, np.float32), name).shape)

    def engine_net(self, shape: Sequence[int], name: str = "image") -> tuple[engine.Net, str]:
        raise InputError(
            f"{self._session.path}: an ONNX model has no net in an engine, whose layers could be "
            "looked at: open the prototxt and the caffemodel"
        )


def _refuse_channels_last(session: OnnxSession) -> None:
    """Raise `InputError` for a model of N x height x width x channels, TensorFlow's layout."""
    name, shape = next(iter(session.inputs.items()))
    if len(shape) != 4:
        return
    second, last = shape[1], shape[3]
    if isinstance(last, int) and last <= 4 and not (isinstance(second, int) and second <= last):
        raise InputError(
            f"{session.path}: its input {name!r} is {' x '.join(map(str, shape))}, channels last; "
            "expected N x channels x height x width: convert the model so (tf2onnx has the options "
            "inputs-as-nchw and outputs-as-nchw)"
        )
