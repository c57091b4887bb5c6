"""Class maps and scores of single images of any size, from a net and its weights."""

import os
import tempfile

import numpy as np
from PIL import Image

from caffeformat import InputError, format_text, read_net

from . import engine, memory, networks
from .preprocessing import Preprocessor
from .weights import copy_weights


class NetworkError(InputError):
    """A net or its weights cannot be used, whatever the image."""


class Segmenter:
    """A network with weights that turns images into class scores and class maps.

    `net_path` is a deploy file, or an all-in-one file whose data layers give way to an input.
    `weights` is a caffemodel. `output_blob` defaults to `score`, or to the net's only output.
    `scale_to` limits the longer side that the net sees, in pixels: larger images are scaled down
    for it. `gpu` is a GPU's number or None for the CPU.

    After the first image `net` is the engine's Net, reshaped to each image, and `unmatched` lists
    the layers that the weights did not name.
    """

    def __init__(
        self,
        net_path,
        weights,
        preprocessor=None,
        output_blob=None,
        scale_to=None,
        gpu=None,
        allow_python=(),
    ):
        self._path, self._weights = os.fspath(net_path), os.fspath(weights)
        self.preprocessor = preprocessor or Preprocessor()
        self._message, self.input_blob = networks.deploy_net(read_net(net_path), (64, 64))
        engine.check_python_layers(self._message, self._path, allow_python)
        self._allow_python = allow_python
        for path in (self._path, self._weights):
            if not os.path.isfile(path):
                raise InputError(f"{path}: there is no such file")
        self.scale_to, self._gpu = scale_to, gpu
        self.output_blob = output_blob
        self.net, self.unmatched = None, []

    def scores(self, image, name="image"):
        """Class scores of `image` (H x W x 3 uint8 RGB): C x H x W float32.

        Where `scale_to` made the image smaller, they have the smaller size. `name` is what errors
        call the image. Raises `NetworkError` where the net cannot be made or the weights do not fit
        it, and `InputError` for images that memory cannot hold, scores that are not of the image's
        size, and scores that are not numbers.
        """
        image = self._limited(image)
        self._reshape(image.shape[:2], name)
        self.preprocessor.fill(self.net.blobs[self.input_blob].data, image)
        scores = engine.forward(self.net, self.output_blob)[0]
        if scores.ndim != 3 or scores.shape[1:] != image.shape[:2] or scores.shape[0] < 2:
            raise InputError(
                f"{self._path}: blob {self.output_blob!r} is "
                f"{'x'.join(map(str, scores.shape))} for an image of {image.shape[1]}x"
                f"{image.shape[0]}; expected classes x height x width of the image: choose another "
                "--output-blob"
            )
        if not np.isfinite(scores).all():
            raise InputError(
                f"{name}: the scores are not numbers: the weights in {self._weights} come from a "
                "training that diverged, or belong to another net"
            )
        return scores

    def classes(self, image, name="image"):
        """The number of classes that the net scores, found by a pass over `image`."""
        return len(self.scores(image, name))

    def class_map(self, image, name="image"):
        """The class of highest score at every pixel of `image`: H x W uint8."""
        return self.map_of(self.scores(image, name), image.shape[:2])

    def segment(self, image, name="image"):
        """(scores, class map) of `image`, as `scores` and `class_map` give them."""
        scores = self.scores(image, name)
        return scores, self.map_of(scores, image.shape[:2])

    def map_of(self, scores, shape):
        """The class map of `scores` (C x h x w) at `shape` (height, width), uint8."""
        if len(scores) > 255:
            raise InputError(f"{len(scores)} classes do not fit a class map of bytes (at most 255)")
        classes = scores.argmax(0).astype(np.uint8)
        if classes.shape == tuple(shape):
            return classes
        return np.asarray(Image.fromarray(classes).resize(shape[::-1], Image.NEAREST))

    def _limited(self, image):
        longest = max(image.shape[:2])
        if self.scale_to is None or longest <= self.scale_to:
            return image
        height, width = (
            max(1, round(extent * self.scale_to / longest)) for extent in image.shape[:2]
        )
        return np.asarray(Image.fromarray(image).resize((width, height), Image.BILINEAR))

    def _reshape(self, shape, name):
        wanted = (1, 3, *shape)
        if self.net is not None and tuple(self.net.blobs[self.input_blob].shape) == wanted:
            return
        is_lean = "lean_forward" in engine.capabilities()
        memory.check(self._message, {self.input_blob: wanted}, name, is_lean)
        if self.net is None:
            try:
                self._open(shape)
            except InputError as error:
                raise NetworkError(str(error)) from error
        else:
            self.net.blobs[self.input_blob].reshape(*wanted)
            self.net.reshape()

    def _open(self, shape):
        engine.use_device(self._gpu)
        message, _ = networks.deploy_net(read_net(self._path), shape)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "deploy.prototxt")
            with open(path, "w", encoding="utf-8") as file:
                file.write(format_text(message))
            net = engine.open_net(path, "TEST", allow_python=self._allow_python)
        self.unmatched = copy_weights(net, self._weights)
        self.output_blob = self._output(net)
        self.net = net

    def _output(self, net):
        names = list(net.blobs)
        if self.output_blob is not None:
            if self.output_blob in names:
                return self.output_blob
            raise InputError(
                f"{self._path}: there is no blob {self.output_blob!r}; there are {', '.join(names)}"
            )
        outputs = [name for name in net.outputs if name != self.input_blob]
        if "score" in names:
            return "score"
        if len(outputs) == 1:
            return outputs[0]
        raise InputError(
            f"{self._path}: has no blob called score and the outputs {', '.join(outputs)}: choose "
            "one with --output-blob"
        )
