"""Base of Berkeley's Python data layers: one whole image per step, with its labels.

`SegDataLayer` parses `param_str`, keeps the order of the images and shapes the tops; the layer of a
dataset (`voc_layers.py` and others) knows where its files are and how to read them. The net is
reshaped to every image. Nothing is scaled, cropped or mirrored; `fcnkit.data_layers` does that.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from caffeformat.files import open_text
from fcnkit import engine
from fcnkit.images import load_pixels, open_image, read_rgb

from .berkeley_options import parse_options
from .no_gradient import NoGradient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from torchcaffe import Layer
else:
    Layer = engine.load().Layer

# Default of a layer's `mean`: that of ImageNet's training images, BGR.
IMAGENET_MEAN = (104.00699, 116.66877, 122.67892)


class SegDataLayer(NoGradient, Layer):
    """Base of the data layers; a subclass defines the three methods and two attributes below.

    `param_str` is a Python dict as text. All layers accept `split` (the image set; sets without
    `train` in their name are read in order), `randomize` (default True: draw images, otherwise read
    them in order), `seed` (of the draws) and `start` (number of images that an earlier run used).
    Of solvers that train together, each takes its own of the images that one would take.
    """

    takes_turns = True

    required: tuple[str, ...] = ()  # required options besides `split`
    optional: Mapping[str, object] = {}  # other options: name -> default

    def open(self, options: dict[str, Any]) -> str:
        """Check the dataset's files; return the path of the list of ids."""
        raise NotImplementedError

    def tops(self) -> Sequence[str]:
        """Names of the tops, which give their number."""
        raise NotImplementedError

    def load(self, id_: str) -> Sequence[NDArray[Any]]:
        """Read the tops' values for one id: arrays C x H x W."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """What errors call the layer: its name in the net, if the engine reports it, and class."""
        name = getattr(self, "name", None)
        return f"layer {name!r} ({type(self).__name__})" if name else type(self).__name__

    def setup(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Read the settings and the list of images, and pick the first."""
        defaults = {"randomize": True, "seed": None, "start": 0, **self.optional}
        required = ("split", *self.required)
        self.options = parse_options(self.param_str, required, defaults, self.title)
        list_path = self.open(self.options)
        names = self.tops()
        if len(bottom) or len(top) != len(names):
            raise InputError(
                f"{self.title}: expected no bottoms and {len(names)} tops "
                f"({', '.join(names)}), found {len(bottom)} and {len(top)}"
            )
        if not os.path.isfile(list_path):
            raise InputError(
                f"{self.title}: split in param_str is {self.options['split']!r}: there is no list "
                f"{list_path}; {_lists_beside(list_path)}"
            )
        self.ids = read_ids(list_path)
        self._draws: random.Random | None = None
        if self.options["randomize"] and "train" in self.options["split"]:
            self._draws = random.Random(self.options["seed"])
        self._index = self._position = 0
        self._loaded: Sequence[NDArray[Any]] = ()
        rank, self._solvers = engine.data_turn(getattr(self, "phase", None))
        self._next(self.options["start"] + rank)

    def reshape(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Read the next image and shape the tops for it."""
        if not self._loaded:
            self._loaded = self.load(self.ids[self._index])
        # By index: BVLC Caffe's lists of blobs cannot be iterated.
        for index, array in enumerate(self._loaded):
            top[index].reshape(1, *array.shape)

    def forward(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Hand out the image and its labels, and pick the next."""
        for index, array in enumerate(self._loaded):
            top[index].data[...] = array
        self._next(self._solvers - 1)

    def _next(self, others: int) -> None:
        """Pick the next image after `others` that are not this solver's, or not of now."""
        last = len(self.ids) - 1
        if self._draws is None:
            self._position += others + 1
            self._index = (self._position - 1) % len(self.ids)
        else:
            for _ in range(others + 1):
                self._index = self._draws.randint(0, last)
        self._loaded = ()


def read_ids(path: str) -> list[str]:
    """Read the ids in a list of images, one per line; `InputError` if there are none."""
    try:
        with open_text(path) as file:
            ids = [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot read the list of images: {problem}") from error
    if not ids:
        raise InputError(f"{path}: the list of images is empty")
    for id_ in ids:
        if os.path.isabs(id_) or ".." in id_.replace("\\", "/").split("/"):
            raise InputError(f"{path}: refused: {id_!r} is not an image id")
    return ids


def image_input(path: str, mean: ArrayLike) -> NDArray[np.float32]:
    """Read an image file as 3 x H x W float32, BGR minus `mean`."""
    return minus_mean(read_rgb(path)[:, :, ::-1], mean)


def minus_mean(image: NDArray[Any], mean: ArrayLike) -> NDArray[np.float32]:
    """Convert H x W x C to C x H x W float32 minus `mean` (one number per channel)."""
    return (image.astype(np.float32) - np.asarray(mean, np.float32)).transpose(2, 0, 1)


def read_depth(path: str) -> NDArray[np.float32]:
    """Read a depth image (8 or 16 bits, one channel) as H x W float32."""
    with open_image(path) as image:
        depth = np.asarray(load_pixels(image, os.fspath(path)))
    if depth.ndim != 2:
        raise InputError(f"{path}: expected depth in one channel, found shape {depth.shape}")
    return depth.astype(np.float32)


def _lists_beside(path: str) -> str:
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return f"expected the dataset's own layout, with the folder {folder}"
    names = sorted(name for name in os.listdir(folder) if name.endswith(".txt"))
    return f"the lists there are {', '.join(names[:8]) or 'none'}"
