"""Segments single images of any size: class scores and class maps from a net and its weights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from caffeformat import InputError, read_caffemodel, read_net
from fcnkit import engine, nets
from fcnkit.images import ImageForm, Preprocessor, Resampling, resize_image

from .network import Network
from .winners import is_finite, winners

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Union

    from numpy.typing import NDArray

    Source = Union[str, os.PathLike[str], bytes]


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
    differ by more than 1e-4 of the largest one.

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
        self.scale_to = scale_to
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

        For those who want more than scores. Raises as `scores`.
        """
        data = self._filled(self._limited(self.form.fit(image, name)))
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

        Where `scale_to` made the image smaller, they have the smaller size. The next image may
        overwrite them. `name` is what errors call the image. Raises `NetworkError` where the net
        cannot be made or the weights do not fit it, and `InputError` for images that do not fit in
        memory, for scores that are not of the image's size, and for scores that are not finite.
        """
        image = self._limited(self.form.fit(image, name))
        scores: NDArray[np.float32] = self._network.forward(self._filled(image), name)[0]
        self._check_shape(scores.shape, image)
        if not is_finite(scores):
            raise InputError(
                f"{name}: the scores are not finite numbers: the weights in {self._weights} come "
                "from a training run that diverged, or belong to another net"
            )
        return scores

    def classes(self, image: NDArray[Any], name: str = "image") -> int:
        """The number of classes that the net scores, from its shapes for `image`; runs nothing.

        Raises as `scores`, except for what only the scores themselves can show.
        """
        image = self._limited(self.form.fit(image, name))
        shape = self._network.output_shape((1, image.shape[2], *image.shape[:2]), name)[1:]
        self._check_shape(shape, image)
        return shape[0]

    def class_map(self, image: NDArray[Any], name: str = "image") -> NDArray[np.uint8]:
        """The class of highest score at every pixel of `image`: H x W uint8."""
        return self.map_of(self.scores(image, name), image.shape[:2])

    def segment(
        self, image: NDArray[Any], name: str = "image"
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """(scores, class map) of `image`, as `scores` and `class_map` return them."""
        scores = self.scores(image, name)
        return scores, self.map_of(scores, image.shape[:2])

    def map_of(self, scores: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.uint8]:
        """The class map of `scores` (C x h x w) at `shape` (height, width), uint8."""
        if len(scores) > 255:
            raise InputError(f"{len(scores)} classes do not fit a class map of bytes (at most 255)")
        height, width = shape
        classes = winners(scores)
        if classes.shape == (height, width):
            return classes
        return np.asarray(Image.fromarray(classes).resize((width, height), Resampling.NEAREST))

    def _limited(self, image: NDArray[Any]) -> NDArray[Any]:
        longest = max(image.shape[:2])
        if self.scale_to is None or longest <= self.scale_to:
            return image
        height, width = (
            max(1, round(extent * self.scale_to / longest)) for extent in image.shape[:2]
        )
        return resize_image(image, (height, width))

    def _check_shape(self, shape: Sequence[int], image: NDArray[Any]) -> None:
        """Raise `InputError` where `shape` is not classes x height x width of `image`."""
        if len(shape) == 3 and tuple(shape[1:]) == image.shape[:2] and shape[0] >= 2:
            return
        raise InputError(
            f"{self._path}: blob {self.output_blob!r} is {'x'.join(map(str, shape))} for an image "
            f"of {image.shape[1]}x{image.shape[0]}; expected classes x height x width of the "
            "image: choose another blob with {option}",
            option="output_blob",
        )

    def _filled(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The net's input for `image`, 1 x C x H x W; the next image overwrites it."""
        shape = (1, image.shape[2], *image.shape[:2])
        if self._input.shape != shape:
            self._input = np.empty(shape, np.float32)
        return self.preprocessor.fill(self._input, image)
