"""Segments single images of any size: class scores and class maps from a net and its weights."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import InputError, available_memory, read_caffemodel, read_net
from fcnkit import engine, nets
from fcnkit.images import ImageForm, Preprocessor, Resampling, resize_image

from .averaging import Block, Evaluation, Passes, probabilities
from .fitting import FittedNetwork
from .network import Network
from .winners import winners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Union

    from numpy.typing import NDArray

    Source = Union[str, os.PathLike[str], bytes]


_MOST_WAITING = 1 << 26  # bytes of scores whose classes a thread may find out later


class Prediction(NamedTuple):
    """What a net says of an image."""

    # The class of highest score, H x W uint8
    mask: NDArray[np.uint8]
    # Its probability, H x W float32, 0 to 1; None where it was not asked for
    confidence: NDArray[np.float32] | None
    # The number of classes that the net scores
    classes: int


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
    differ by more than 1e-4 of the largest one. `evaluation` asks for more passes than one.

    Images of sizes that the net does not take are padded with the mean colour at the bottom and at
    the right, or cut into overlapping windows, and the scores put back (see `FittedNetwork`).

    After the first image `unmatched` lists the layers that found no weights in the caffemodel,
    `runtime` is what computes, and `note` says why it is not the one that was asked for, or None.
    """

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
        self.scale_to, self.evaluation = scale_to, evaluation or Evaluation()
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
        self._fitted = FittedNetwork(
            self._network, self._path, self._weights, sizes, has_probabilities
        )
        self._input = np.empty(0, np.float32)

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

    def engine_net(self, image: NDArray[Any], name: str = "image") -> engine.Net:
        """The engine's Net, reshaped to `image`, with the image in its input; nothing is run.

        For those who want more than scores. An image that the net does not take is padded, or its
        first window stands for it. Raises as `scores`.
        """
        image = self._limited(self.form.fit(image, name))
        height, width = self._fitted.window(image.shape[:2], self.evaluation.window)
        data = self._fitted.fitted(self._filled(image[:height, :width]))
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
        image = self._limited(self.form.fit(image, name))
        whole: NDArray[np.float32] | None = None
        for block in self._blocks(image, name):
            if block.scores.shape[1:] == image.shape[:2]:
                return block.scores
            if whole is None:
                whole = _room(len(block.scores), image.shape[:2], name)
            whole[:, block.rows, block.columns] = block.scores
        assert whole is not None  # every image has a pixel
        return whole

    def classes(self, image: NDArray[Any], name: str = "image") -> int:
        """The number of classes that the net scores, from its shapes for `image`; runs nothing.

        Raises as `scores`, except for what only the scores themselves can show.
        """
        image = self._limited(self.form.fit(image, name))
        window = self._fitted.window(image.shape[:2], self.evaluation.window)
        return self._fitted.classes(image.shape[2], window, name)

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
        fitted = self._limited(self.form.fit(image, name))
        blocks = self._blocks(fitted, name)
        first = next(blocks)
        is_whole = first.scores.shape[1:] == fitted.shape[:2]
        if is_whole and self._network.returns_copies and first.scores.nbytes <= _MOST_WAITING:
            return lambda: self._predicted([first], fitted.shape, image.shape, confidence)
        parts = itertools.chain([first], blocks)
        made = self._predicted(parts, fitted.shape, image.shape, confidence)
        return lambda: made

    def _predicted(
        self,
        blocks: Iterable[Block],
        seen: Sequence[int],
        shape: Sequence[int],
        confidence: bool,
    ) -> Prediction:
        """The `Prediction` from the blocks of an image that the net saw in the size `seen`."""
        mask = np.empty(seen[:2], np.uint8)
        sure = np.empty(seen[:2], np.float32) if confidence else None
        classes = 0
        for rows, columns, scores in blocks:
            classes = len(scores)
            mask[rows, columns] = _winners(scores)
            if sure is not None:
                sure[rows, columns] = self._confidence(scores)
        shape = shape[:2]
        return Prediction(
            _stretched(mask, shape), None if sure is None else _stretched(sure, shape), classes
        )

    def prediction_of(
        self, scores: NDArray[np.float32], shape: Sequence[int], confidence: bool = False
    ) -> Prediction:
        """The `Prediction` from `scores` of this net, C x h x w, at `shape` (height, width)."""
        sure = _stretched(self._confidence(scores), shape) if confidence else None
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
        return _stretched(_winners(scores), shape)

    def _limited(self, image: NDArray[Any]) -> NDArray[Any]:
        longest = max(image.shape[:2])
        if self.scale_to is None or longest <= self.scale_to:
            return image
        height, width = (
            max(1, round(extent * self.scale_to / longest)) for extent in image.shape[:2]
        )
        return resize_image(image, (height, width))

    def _blocks(self, image: NDArray[Any], name: str) -> Iterator[Block]:
        """The scores of `image`, fitted and limited, in one block or several."""
        shape: tuple[int, int] = image.shape[:2]
        plan, limit = self.evaluation, self.evaluation.window
        if plan.is_plain and self._fitted.window(shape) == shape:
            scores = self._fitted.scores(self._filled(image), name)
            yield Block(slice(0, shape[0]), slice(0, shape[1]), scores)
            return
        prepared: list[NDArray[np.float32]] = []
        if self.preprocessor.mean is not None and self.preprocessor.mean.ndim == 3:
            prepared.append(self._filled(image)[0])  # a mean with a value per pixel

        def part(top: int, left: int, bottom: int, right: int) -> NDArray[np.float32]:
            if prepared:
                return prepared[0][:, top:bottom, left:right]
            return self.preprocessor(image[top:bottom, left:right])[0]

        def score(planes: NDArray[np.float32]) -> NDArray[np.float32]:
            if plan.is_plain:
                return self._fitted.scores(planes[None], name)
            return self._averaged(planes, name)

        passes = Passes(
            shape, plan.scales, part, score, lambda size: self._fitted.window(size, limit)
        )
        window = self._fitted.window(shape, limit)
        yield from passes.blocks(self._fitted.classes(image.shape[2], window, name))

    def _averaged(self, planes: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The probabilities for an input C x H x W, and with `flip` its mirror image's."""
        found = self._probabilities(self._fitted.scores(planes[None], name))
        if self.evaluation.flip:
            mirrored = np.ascontiguousarray(planes[None, :, :, ::-1])
            found += self._probabilities(self._fitted.scores(mirrored, name))[:, :, ::-1]
            found /= 2
        return found

    def _probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        return scores.copy() if self._fitted.has_probabilities else probabilities(scores)

    def _confidence(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability of the class of highest score at every pixel."""
        highest: NDArray[np.float32] = scores.max(0)
        if self._fitted.has_probabilities or not self.evaluation.is_plain:
            return highest
        return np.asarray(1 / sum(np.exp(plane - highest) for plane in scores), np.float32)

    def _filled(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The net's input for `image`, 1 x C x H x W; the next image overwrites it."""
        shape = (1, image.shape[2], *image.shape[:2])
        if self._input.shape != shape:
            self._input = np.empty(shape, np.float32)
        return self.preprocessor.fill(self._input, image)


def _winners(scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    if len(scores) > 255:
        raise InputError(f"{len(scores)} classes do not fit a class map of bytes (at most 255)")
    return winners(scores)


def _stretched(values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """H x W values at `shape` (height, width): each pixel takes the nearest value."""
    height, width = shape
    if values.shape == (height, width):
        return values
    return np.asarray(Image.fromarray(values).resize((width, height), Resampling.NEAREST))


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
