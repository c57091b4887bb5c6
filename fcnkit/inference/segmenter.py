"""Segments single images of any size: class scores and class maps from a net and its weights."""

from __future__ import annotations

import functools
import itertools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, available_memory, listed, read_caffemodel, read_net
from fcnkit import engine, nets
from fcnkit.images import ImageForm, Preprocessor, resize_image

from .averaging import Evaluation
from .evaluating import Evaluator
from .fitting import FittedNetwork
from .network import Network
from .predictions import Canvas, Prediction, class_indices, stretched

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from typing import Union

    from numpy.typing import NDArray

    from .averaging import Block

    Source = Union[str, os.PathLike[str], bytes]


_MOST_WAITING = 1 << 26  # bytes of one pass's scores whose classes a thread may find out later


class Segmenter:
    """A network with weights that turns images into class scores and class maps.

    `net_path` is a deploy file, or an all-in-one file whose data layers are replaced by an input;
    `weights` is a caffemodel. `output_blob` defaults to `score`, or to the net's only output.
    `scale_to` limits the longer side that the net sees, in pixels: larger images are scaled down
    to it. `gpu` is a GPU's number or None for the CPU. `form` says what images the net was trained
    on: channels (default: as the net's Input layer or its weights say, otherwise 3), depth
    (default: 8 bits) and the value that became 255. `runtime` computes the scores: "auto" takes the
    fastest one that is installed, "torch" the engine, "onnxruntime" and "openvino" what they say.
    The first image is computed by the engine, too, and any other runtime is left where its scores
    differ by more than 1e-4 of the largest one. `evaluation` asks for more passes than one, or for
    several images at a time.

    Images of sizes that the net does not take are padded with the mean colour at the bottom and at
    the right, or cut into overlapping windows, and the scores put back (see `FittedNetwork`).

    After the first image `unmatched` lists the layers that found no weights in the caffemodel,
    `runtime` is what computes, and `note` says why it is not the one that was asked for, or None.
    `owner` keeps the files of net and weights there, which are read when they are needed.
    """

    owner: object = None

    def __init__(
        self,
        net_path: str | os.PathLike[str],
        weights: str | os.PathLike[str],
        preprocessor: Preprocessor | None = None,
        output_blob: str | None = None,
        scale_to: int | None = None,
        gpu: int | None = None,
        allow_python: Iterable[str] = (),
        form: ImageForm | None = None,
        runtime: str = "auto",
        evaluation: Evaluation | None = None,
    ) -> None:
        self._path, self._weights = os.fspath(net_path), os.fspath(weights)
        self.preprocessor = preprocessor or Preprocessor()
        source, given = read_net(net_path), form or ImageForm()
        message, self.input_blob = nets.deploy_net(source, (64, 64), given.channels)
        allow_python = tuple(allow_python)
        engine.check_python_layers(message, self._path, allow_python)
        for path in (self._path, self._weights):
            if not os.path.isfile(path):
                raise InputError(f"{path}: there is no such file")
        channels = given.channels or nets.declared_channels(source, self.input_blob)
        if channels is None:
            weights_in_file = read_caffemodel(self._weights)
            channels = nets.channels_of_weights(message, self.input_blob, weights_in_file) or 3
            message, _ = nets.deploy_net(source, (64, 64), channels)
        self.form = ImageForm(channels, given.depth or "uint8", given.white)
        self.preprocessor.check(channels)
        self.scale_to, evaluation = scale_to, evaluation or Evaluation()
        self._network = Network(
            message,
            self._path,
            self._weights,
            self.input_blob,
            output_blob,
            gpu,
            allow_python,
            runtime,
        )
        score = nets.score_blob(message, self.input_blob, output_blob)
        sizes, has_probabilities = None, False
        if score is not None:
            own = nets.declared_size(source, self.input_blob)
            sizes = nets.ImageSizes(message, self.input_blob, score, own)
            has_probabilities = nets.has_probabilities(message, score)
        fitted = FittedNetwork(self._network, self._path, self._weights, sizes, has_probabilities)
        self._evaluator = Evaluator(fitted, self.preprocessor, evaluation)

    @property
    def evaluation(self) -> Evaluation:
        """How an image is evaluated, and how many at a time."""
        return self._evaluator.evaluation

    @property
    def output_blob(self) -> str | None:
        """The name of the blob with the scores; None until it is chosen for the first image."""
        return self._network.output_blob

    @property
    def unmatched(self) -> list[str]:
        """The layers that found no weights in the caffemodel."""
        return self._network.unmatched

    @property
    def runtime(self) -> str:
        """What computes the scores: "onnxruntime", "openvino", or the engine's name."""
        return self._network.runtime

    @property
    def note(self) -> str | None:
        """Why the runtime is not the one that was asked for, or None."""
        return self._network.note

    @property
    def notes(self) -> list[str]:
        """`note`, if there is one, and why fewer images go through the net at a time than asked.

        In the order in which they were found.
        """
        return list(self._network.notes)

    def engine_net(self, image: NDArray[Any], name: str = "image") -> engine.Net:
        """The engine's Net, reshaped to `image`, with the image in its input; nothing is run.

        For those who want more than scores. An image that the net does not take is padded, or its
        first window stands for it. Raises as `scores`.
        """
        image = self._limited(self.form.fit(image, name))
        height, width = self._evaluator.window(image)
        data = self._evaluator.input_for([image[:height, :width]])
        net, _ = self._network.engine_net(data.shape, name)
        net.blobs[self.input_blob].data[...] = data
        return net

    def read(self, source: Source, name: str | None = None) -> NDArray[Any]:
        """Read an image file, a path or its content, as the net takes it: H x W x channels.

        Raises `InputError` where it is of another kind than what the net was trained on.
        """
        return self.form.read(source, name)

    def scores(self, image: NDArray[Any], name: str = "image") -> NDArray[np.float32]:
        """Class scores of `image`, H x W (x channels), RGB where it has three: C x H x W float32.

        They are the net's, averaged where windows overlap, or with an `evaluation` of several
        passes the probabilities that it averages. Where `scale_to` made the image smaller, they
        have the smaller size. The next image may overwrite them. `name` is what errors call the
        image. Raises `NetworkError` where the net cannot be made or the weights do not fit it, and
        `InputError` for images that do not fit in memory, for scores that are not of the image's
        size, and for scores that are not finite.
        """
        return self.scores_together([image], [name])[0]

    def batch_key(self, image: NDArray[Any], name: str = "image") -> Hashable:
        """Equal for images that may go through the net together: it sees them at one size."""
        fitted = self.form.fit(image, name)
        return self._evaluator.key(self._limited_size(fitted.shape[:2]), fitted.shape[2])

    def scores_together(
        self, images: Sequence[NDArray[Any]], names: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """The `scores` of several images of one `batch_key`, which go through the net together.

        Raises as `scores`, without saying which image it was.
        """
        fitted, what = self._all_fitted(images, names), listed(names)
        wholes: list[NDArray[np.float32]] = []
        for blocks in self._evaluator.blocks(fitted, what):
            if all(b.scores.shape[1:] == i.shape[:2] for b, i in zip(blocks, fitted)):
                return [block.scores for block in blocks]
            if not wholes:
                wholes = [_room(len(b.scores), i.shape[:2], what) for b, i in zip(blocks, fitted)]
            for whole, block in zip(wholes, blocks):
                whole[:, block.rows, block.columns] = block.scores
        return wholes

    def classes(self, image: NDArray[Any], name: str = "image") -> int:
        """The number of classes that the net scores, from its shapes for `image`; runs nothing.

        Raises as `scores`, except for what only the scores themselves can show.
        """
        return self._evaluator.classes(self._limited(self.form.fit(image, name)), name)

    def predict(
        self, image: NDArray[Any], name: str = "image", confidence: bool = False
    ) -> Prediction:
        """The `Prediction` for `image`, at its own size; raises as `scores`.

        The probability of a class is the softmax of the scores. Images that are cut into windows
        need memory for the mask alone, not for the scores of all classes.
        """
        return self.predict_later(image, name, confidence)()

    def predict_later(
        self, image: NDArray[Any], name: str = "image", confidence: bool = False
    ) -> Callable[[], Prediction]:
        """Run the net; the result does the rest of `predict`, in any thread, after later images.

        Scores that the next image would overwrite, and those of large images, do not wait.
        """
        return self.predict_together([image], [name], confidence)[0]

    def predict_together(
        self, images: Sequence[NDArray[Any]], names: Sequence[str], confidence: bool = False
    ) -> list[Callable[[], Prediction]]:
        """`predict_later` of several images of one `batch_key`, which go through the net together.

        Raises as `predict`, without saying which image it was.
        """
        fitted = self._all_fitted(images, names)
        sure = self._evaluator.confidence if confidence else None
        canvases = [Canvas(f.shape, image.shape, sure) for f, image in zip(fitted, images)]
        parts = self._evaluator.blocks(fitted, listed(names))
        first = next(parts)
        is_whole = all(b.scores.shape[1:] == f.shape[:2] for b, f in zip(first, fitted))
        size = sum(block.scores.nbytes for block in first)
        if is_whole and self._network.returns_copies and size <= _MOST_WAITING:
            return [functools.partial(_finished, *each) for each in zip(canvases, first)]
        for blocks in itertools.chain([first], parts):
            for canvas, block in zip(canvases, blocks):
                canvas.add(block)
        return [canvas.prediction for canvas in canvases]

    def prediction_of(
        self, scores: NDArray[np.float32], shape: Sequence[int], confidence: bool = False
    ) -> Prediction:
        """The `Prediction` from `scores` of this net, C x h x w, at `shape` (height, width)."""
        sure = stretched(self._evaluator.confidence(scores), shape) if confidence else None
        return Prediction(self.map_of(scores, shape), sure, len(scores))

    def class_map(self, image: NDArray[Any], name: str = "image") -> NDArray[np.uint8]:
        """The class of highest score at every pixel of `image`: H x W uint8."""
        return self.predict(image, name).mask

    def segment(
        self, image: NDArray[Any], name: str = "image"
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """(scores, class map) of `image`, as `scores` and `class_map` return them."""
        scores = self.scores(image, name)
        return scores, self.map_of(scores, image.shape[:2])

    def map_of(self, scores: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.uint8]:
        """The class map of `scores` (C x h x w) at `shape` (height, width), uint8."""
        return stretched(class_indices(scores), shape)

    def _limited(self, image: NDArray[Any]) -> NDArray[Any]:
        size = self._limited_size(image.shape[:2])
        return image if size == image.shape[:2] else resize_image(image, size)

    def _limited_size(self, size: Sequence[int]) -> tuple[int, int]:
        """The (height, width) that `scale_to` leaves of an image of `size`."""
        longest = max(size)
        if self.scale_to is None or longest <= self.scale_to:
            height, width = size
        else:
            height, width = (max(1, round(extent * self.scale_to / longest)) for extent in size)
        return height, width

    def _all_fitted(
        self, images: Sequence[NDArray[Any]], names: Sequence[str]
    ) -> list[NDArray[Any]]:
        return [self._limited(self.form.fit(i, name)) for i, name in zip(images, names)]


def _finished(canvas: Canvas, block: Block) -> Prediction:
    return canvas.add(block).prediction()


def _room(classes: int, shape: Sequence[int], name: str) -> NDArray[np.float32]:
    """An array for the scores of a whole image; `InputError` where memory does not suffice."""
    height, width = shape
    free, needed = available_memory(), 4 * classes * height * width
    if free is not None and needed > free:
        raise InputError(
            f"{name}: the scores of {classes} classes at {width}x{height} pixels need "
            f"{needed / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are free: ask for masks alone, "
            "or pass {option}",
            option="scale_to",
        )
    return np.empty((classes, height, width), np.float32)
