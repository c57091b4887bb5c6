"""The layer Data (batches from an LMDB or LevelDB), and the base of all layers that prefetch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from caffeformat import InputError, datum_to_array, encoded_datum, open_database, pb
from caffeformat.files import MOST_BYTES, open_text, read_bytes
from torchcaffe.core import data_turn
from torchcaffe.data import DataTransform, Prefetcher

from .base import Layer, Param, Shape, Shapes, Tensors, register

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat import DatabaseReader


_T = TypeVar("_T")

# What a generator of a layer's random numbers is for: its set-up, an entry, a round of its data.
SETUP, ENTRY, ROUND = range(3)


class BatchLayer(Layer):
    """Base of layers without bottoms whose batches are prefetched by a thread.

    A subclass sets `batch_size`, defines `next_batch()` and may set `depth`, the number of batches
    to prefetch. What it draws at random comes from `draws(...)`, so that it depends on the layer's
    seed and on the number of the entry or round, not on what was drawn before: a run can continue
    at any batch, and several solvers draw for their entries what one would draw for all.

    Of several solvers, each trains on the entries that fall to it in turn, and tests on whole
    batches: with `n` of them, number `r` tests on the batches r, r + n, r + 2n, ... of one solver.
    """

    bottoms = (0, 0)
    fixed_tops = True
    depth: int = 4
    batch_size: int

    def __init__(self, proto: pb.LayerParameter, phase: int) -> None:
        super().__init__(proto, phase)
        self._prefetcher: Prefetcher[list[NDArray[np.float32]]] | None = None
        self._seed = 0
        self._rank, self._solvers = data_turn(phase)
        self._in_training = phase == pb.TRAIN
        self._batches_made = 0 if self._in_training else self._rank
        self._has_skipped = False
        self._entries_taken, self._to_leave_out = 0, 0  # in the batch that is made; before its next

    def seed(self) -> None:
        """Take the seed of `draws` from the generator that `set_random_seed` seeds."""
        self._seed = int(torch.randint(2**62, ()))

    def draws(self, kind: int, number: int = 0) -> np.random.Generator:
        """The random numbers of the set-up, or of the `number`-th entry or round (`kind`)."""
        return np.random.default_rng([self._seed, kind, number])

    def entry_draws(self) -> np.random.Generator:
        """The random numbers of the entry that was taken last."""
        number = self._batches_made * self.batch_size + self._entries_taken - 1
        if self._in_training:
            number = number * self._solvers + self._rank
        return self.draws(ENTRY, number)

    def skip_batches(self, count: int) -> None:
        """Continue as if `count` batches had been taken; only before the first pass.

        In training these are the solver's own, in tests those of all solvers.
        """
        if self._prefetcher is not None:
            raise self.error("cannot skip batches once it has made some.")
        if not self._in_training:
            count += (self._rank - count) % self._solvers  # to the next one of its own
        self._batches_made, self._has_skipped = count, True
        self.skip(count)

    def skip(self, batches: int) -> None:
        """Step over the data of that many batches, from the beginning; a subclass defines it."""
        raise NotImplementedError

    def entries_of(self, batches: int) -> int:
        """How many entries all solvers have taken when this one has skipped that many batches."""
        return batches * self.batch_size * (self._solvers if self._in_training else 1)

    def own_turn(self, take: Callable[[], _T]) -> _T:
        """Return from the entries that `take()` takes the next one that falls to this solver."""
        self._entries_taken += 1
        while self._to_leave_out:
            take()
            self._to_leave_out -= 1
        if not self._in_training:
            return take()
        return [take() for _ in range(self._solvers)][self._rank]

    def next_batch(self) -> list[NDArray[np.float32]]:
        """Make the next batch: one array per top."""
        raise NotImplementedError

    def _numbered_batch(self) -> list[NDArray[np.float32]]:
        self._entries_taken = 0
        batch = self.next_batch()
        if self._in_training:
            self._batches_made += 1
        else:
            self._batches_made += self._solvers
            self._to_leave_out = (self._solvers - 1) * self.batch_size
        return batch

    def require_batch_size(self, batch_size: int) -> int:
        """Return `batch_size`; refuse one below 1."""
        if batch_size < 1:
            raise self.error(f"batch_size is {batch_size}; expected 1 or more.")
        return batch_size

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        if self._prefetcher is None:
            if self._rank and not self._in_training and not self._has_skipped:
                self.skip(self._rank)
            self._prefetcher = Prefetcher(self._numbered_batch, self.depth)
        return [torch.from_numpy(array).to(self.device) for array in self._prefetcher.next()]


class LabelledImages(BatchLayer):
    """Base of layers that read images with one label each, in order and over and over again.

    A subclass sets `batch_size`, `transform` and `first_shape`, and defines `next_item()` and
    `skip_items()`.
    """

    transform: DataTransform
    first_shape: Shape
    advice = ""  # how to get images of one size

    def next_item(self) -> tuple[str, NDArray[np.uint8] | NDArray[np.float32], int]:
        """Read the next image: how messages call it, its C x H x W values, and its label."""
        raise NotImplementedError

    def skip_items(self, count: int) -> None:
        """Step over `count` images; nothing has been read yet."""
        raise NotImplementedError

    def skip(self, batches: int) -> None:
        self.skip_items(self.entries_of(batches))

    def top_shapes(self, shapes: Shapes) -> list[Shape]:
        return [(self.batch_size, *self.first_shape), (self.batch_size,)][: len(self.proto.top)]

    def next_batch(self) -> list[NDArray[np.float32]]:
        images: list[NDArray[np.float32]] = []
        labels = np.empty(self.batch_size, np.float32)
        for index in range(self.batch_size):
            what, image, labels[index] = self.next_item()
            self.transform.random = self.entry_draws()
            images.append(self.transform(image))
            if images[-1].shape != images[0].shape:
                advice = f"use batch_size 1, {self.advice}"
                if len(images[-1]) != len(images[0]):
                    advice = (
                        "a net takes images of one number of channels; where they are encoded, "
                        "force_color or force_gray in transform_param makes them so"
                    )
                raise self.error(
                    f"{what} has the shape {images[-1].shape}, but its batch began with "
                    f"{images[0].shape}: {advice}."
                )
        return [np.stack(images), labels][: len(self.proto.top)]


def read_lines(layer: Layer, path: str) -> list[str]:
    """Read the text file that `layer` names as its source; empty lines are left out."""
    try:
        with open_text(path, MOST_BYTES) as file:
            lines = [line.strip() for line in file if line.strip()]
    except (InputError, OSError, UnicodeDecodeError) as error:
        raise layer.error(f'cannot read its source "{path}": {error}') from error
    if not lines:
        raise layer.error(f'its source "{path}" is empty.')
    return lines


def label_of(text: str) -> int:
    """The label in a list, a whole number of 32 bits as Caffe reads it; ValueError for others."""
    label = int(text) if len(text) < 20 else 1 << 31
    if not -(1 << 31) <= label < 1 << 31:
        raise ValueError(f"found the label {text[:20]}")
    return label


def read_image(layer: Layer, path: str, color: bool) -> NDArray[np.uint8]:
    """Read an image for `layer`: C x H x W, BGR with `color`, else grey.

    Raises `InputError`, naming the layer, if it cannot be read.
    """
    try:
        return datum_to_array(encoded_datum(read_bytes(path)), color)
    except (OSError, InputError) as error:
        raise layer.error(f"cannot read the image {path}: {error}") from error


@register("Data")
class Data(LabelledImages):
    """Images from a database of `Datum`s, in order, over and over again; labels as second top."""

    tops = (1, 2)
    advice = "a crop_size, or images of one size"

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.data_param
        if not p.source:
            raise self.error("needs a source, the folder of a database.")
        self.batch_size, self.depth = self.require_batch_size(p.batch_size), p.prefetch
        self.seed()
        random = self.draws(SETUP)
        where = f'layer "{self.name}"'
        self.transform = DataTransform(self.proto.transform_param, self.phase, random, where)
        try:
            self.database = open_database(p.source, pb.DataParameter.DB.Name(p.backend))
        except InputError as error:
            raise self.error(f"cannot read its source: {error}") from error
        self.first_entry = int(random.integers(p.rand_skip)) if p.rand_skip else 0
        self.entries = _endless(self.database, self.first_entry)
        key, value = next(iter(self.database.items()))
        self.first_shape = self.transform.shape(self._decode(key, value)[0].shape)
        return []

    def _decode(
        self, key: bytes, value: bytes
    ) -> tuple[NDArray[np.uint8] | NDArray[np.float32], int]:
        """Decode a database entry into C x H x W values and a label."""
        datum = pb.Datum()
        try:
            datum.ParseFromString(value)
            return datum_to_array(datum, self.transform.color), datum.label
        except Exception as error:  # protobuf's own error class differs between its releases
            raise self.error(
                f"the entry {key!r} of {self.proto.data_param.source} cannot be read as a Datum: "
                f"{error}"
            ) from error

    def skip_items(self, count: int) -> None:
        self.entries = _endless(self.database, self.first_entry + count)

    def next_item(self) -> tuple[str, NDArray[np.uint8] | NDArray[np.float32], int]:
        key, value = self.own_turn(self.entries.__next__)
        return (f"the entry {key!r}", *self._decode(key, value))


def _endless(database: DatabaseReader, position: int) -> Iterator[tuple[bytes, bytes]]:
    """The entries of `database`, over and over again, from the one at `position` on."""
    yield from itertools.islice(database.items(), position % len(database), None)
    while True:
        yield from database.items()
