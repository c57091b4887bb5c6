"""Data: batches from an LMDB or LevelDB, and what all layers that read ahead share."""

import numpy as np
import torch

from caffeformat import InputError, datum_to_array, encoded_datum, open_database, pb

from ..data_transform import DataTransform
from ..prefetch import Prefetcher
from ..process import solver_count, solver_rank
from .base import Layer, register


class BatchLayer(Layer):
    """A layer without bottoms whose batches a thread makes ahead.

    A subclass has `next_batch()`, which returns an array for each top, and may set `depth`, how
    many to make ahead.
    """

    bottoms = (0, 0)
    fixed_tops = True
    depth = 4

    def __init__(self, proto, phase):
        super().__init__(proto, phase)
        self._prefetcher = None
        # With several solvers each trains on an entry of its own in every round; the root tests.
        self._rank, self._solvers = solver_rank(), solver_count()
        if phase != pb.TRAIN:
            self._rank, self._solvers = 0, 1

    def make_random(self):
        """A numpy Generator that `set_random_seed` decides."""
        return np.random.default_rng(int(torch.randint(2**62, ())))

    def own_turn(self, take):
        """What `take()` returns for this solver, where every solver takes one in turn."""
        return [take() for _ in range(self._solvers)][self._rank]

    def next_batch(self):
        """The next batch, an array for each top."""
        raise NotImplementedError

    def forward(self, bottoms, params):
        if self._prefetcher is None:
            self._prefetcher = Prefetcher(self.next_batch, self.depth)
        return [torch.from_numpy(array).to(self.device) for array in self._prefetcher.next()]


def read_lines(layer, path):
    """The lines, none of them empty, of the text file that `layer` names as its source."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise layer.error(f'cannot read its source "{path}": {error}') from error
    if not lines:
        raise layer.error(f'its source "{path}" lists nothing.')
    return lines


def read_image(layer, path, color):
    """The image at `path`, of which `layer` has need: C x H x W uint8, BGR or grey by `color`."""
    try:
        with open(path, "rb") as file:
            return datum_to_array(encoded_datum(file.read()), color)
    except (OSError, InputError) as error:
        raise layer.error(f"cannot read the image {path}: {error}") from error


@register("Data")
class Data(BatchLayer):
    """Images, and labels as second top, from a database of `Datum`s, in order and over again."""

    tops = (1, 2)

    def setup(self, shapes):
        p = self.proto.data_param
        if not p.source:
            raise self.error("needs a source, the folder of a database.")
        if p.batch_size < 1:
            raise self.error("batch_size must be 1 or more.")
        self.batch_size, self.depth = p.batch_size, p.prefetch
        random = self.make_random()
        where = f'layer "{self.name}"'
        self.transform = DataTransform(self.proto.transform_param, self.phase, random, where)
        self.database = self._open(p)
        self.entries = _over_and_over(self.database)
        for _ in range(int(random.integers(p.rand_skip)) if p.rand_skip else 0):
            next(self.entries)
        key, value = next(iter(self.database.items()))
        self.first_shape = self.transform.shape(self._decode(key, value)[0].shape)
        return []

    def _open(self, p):
        try:
            return open_database(p.source, pb.DataParameter.DB.Name(p.backend))
        except InputError as error:
            raise self.error(f"cannot read its source: {error}") from error

    def _decode(self, key, value):
        """(C x H x W values, label) of a database entry."""
        datum = pb.Datum()
        try:
            datum.ParseFromString(value)
            return datum_to_array(datum, self.transform.color), datum.label
        except Exception as error:  # protobuf's own error class differs between its releases
            raise self.error(
                f"the entry {key!r} of {self.proto.data_param.source} is no Datum that can be "
                f"read: {error}"
            ) from error

    def top_shapes(self, shapes):
        return [(self.batch_size, *self.first_shape), (self.batch_size,)][: len(self.proto.top)]

    def next_batch(self):
        images, labels = [], np.empty(self.batch_size, np.float32)
        for index in range(self.batch_size):
            key, value = self.own_turn(self.entries.__next__)
            image, labels[index] = self._decode(key, value)
            images.append(self.transform(image))
            if images[-1].shape != images[0].shape:
                raise self.error(
                    f"the entry {key!r} has the shape {images[-1].shape}, but its batch began with "
                    f"{images[0].shape}: use batch_size 1, a crop_size, or images of one size."
                )
        return [np.stack(images), labels][: len(self.proto.top)]


def _over_and_over(database):
    while True:
        yield from database.items()
