"""Makes batches of images and labels in the background, in an order decided by the seed alone."""

from __future__ import annotations

import collections
import concurrent.futures
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.images import count_channels

from .augment_options import check_colours
from .augmentation import Augmentation, Draw, draw, whole
from .rendering import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.images import ImageForm, Preprocessor

    from .reading import SegmentationDataset


class Turn(NamedTuple):
    """Whose batches they are: those of number `rank` of several solvers.

    In every turn each takes one batch. `jointly`: whole images in a turn are the batch of one
    solver that takes as many as all together, which ends where a round does; what is left there is
    shared out, and repeated where there is less than an image for each.
    """

    rank: int = 0
    solvers: int = 1
    jointly: bool = False

    def share(self, positions: range) -> range:
        """The solver's part of a joint batch."""
        count = len(positions)
        begin, end = (count * (self.rank + i) // self.solvers for i in (0, 1))
        begin = min(begin, count - 1)
        return positions[begin : max(end, begin + 1)]


ALONE = Turn()


@dataclass(frozen=True)
class Order:
    """Which samples the batches of a run consist of.

    Sample number p of a run depends on `seed` and p alone, so `start` (the number of samples
    already used, by all solvers) continues an earlier run.
    """

    seed: int = 0
    shuffle: bool = False  # a new order in every epoch
    start: int = 0
    turn: Turn = ALONE


class BatchLoader:
    """Endless batches from a dataset: `next()` returns data and labels.

    `data` is N x C x H x W float32 as `preprocessor` makes it, `labels` N x 1 x H x W float32 class
    indices (float because Caffe's blobs are). What an image does not cover is 0 in `data`, which is
    the mean colour, and `ignore` in `labels`. Labels from `classes` on, if given, are an error, and
    so are images that cannot have the `form`.

    `dataset` is read from `threads` threads. With an `augmentation` every image gets its own draw,
    and a batch may reach into the next epoch; without one, images come whole, a batch is as large
    as its largest image, and the last batch of an epoch holds what is left.

    Decoded images are kept as long as they fit into `cache_mb` MiB.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        batch_size: int,
        preprocessor: Preprocessor,
        augmentation: Augmentation | None = None,
        order: Order | None = None,
        *,
        ignore: int = 255,
        classes: int | None = None,
        threads: int = 2,
        cache_mb: int = 512,
        form: ImageForm | None = None,
    ) -> None:
        if not len(dataset):
            raise InputError("the dataset is empty: there is nothing to make batches of")
        if batch_size < 1:
            raise InputError(f"a batch holds at least one image, not {batch_size}")
        order = order or Order()
        self._dataset, self._size, self._preprocessor = dataset, batch_size, preprocessor
        self._augmentation, self._seed = augmentation, order.seed & 0xFFFFFFFF
        self._shuffle, self._position, self._turn = order.shuffle, order.start, Turn(*order.turn)
        self._ignore, self._classes, self._form = ignore, classes, form
        self._cache: dict[int, tuple[NDArray[Any], NDArray[np.uint8]]] = {}
        self._cache_room = cache_mb << 20
        self._lock = threading.Lock()
        self._orders: collections.OrderedDict[int, NDArray[np.int64]] = collections.OrderedDict()
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "batches")
        self._waiting = collections.deque(self._submit() for _ in range(threads + 1))

    def next(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(data, labels) of the next batch; raises what reading its images raised."""
        batch = self._waiting.popleft().result()
        self._waiting.append(self._submit())
        return batch

    def drawn(self, position: int) -> tuple[str, Draw]:
        """The name of the image that is sample number `position`, and what was drawn for it."""
        _, _, drawn = self._sample(position)
        return self._dataset.ids[self._index(position)], drawn

    def close(self) -> None:
        """Stop the background threads; batches in the making are finished first."""
        for future in self._waiting:
            future.cancel()
        self._pool.shutdown()

    def _submit(self) -> concurrent.futures.Future[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        turn = self._turn
        if turn.jointly:
            positions = turn.share(self._next_positions(self._size * turn.solvers))
        else:
            turns = [self._next_positions(self._size) for _ in range(turn.solvers)]
            positions = turns[turn.rank]
        return self._pool.submit(self._batch, positions)

    def _next_positions(self, count: int) -> range:
        begin = self._position
        if self._augmentation is None:
            count = min(count, len(self._dataset) - begin % len(self._dataset))
        self._position += count
        return range(begin, begin + count)

    def _batch(self, positions: range) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        samples = [self._sample(position) for position in positions]
        height, width = np.max([drawn.placement.size for _, _, drawn in samples], axis=0)
        channels = samples[0][0].shape[2]
        data = np.zeros((len(samples), channels, height, width), np.float32)
        labels = np.full((len(samples), 1, height, width), self._ignore, np.float32)
        for i, (image, label, drawn) in enumerate(samples):
            if image.shape[2] != channels:
                raise InputError(
                    f"{self._dataset.ids[self._index(positions[i])]}: has "
                    f"{count_channels(image.shape[2])}, but its batch began with {channels}"
                )
            render(image, label, drawn, self._preprocessor, data[i], labels[i, 0], self._ignore)
        return data, labels

    def _sample(self, position: int) -> tuple[NDArray[Any], NDArray[np.uint8], Draw]:
        index = self._index(position)
        image, label = self._decoded(index)
        if self._augmentation is None:
            return image, label, Draw(whole(label.shape))
        check_colours(self._augmentation, image.shape[2], self._dataset.ids[index])
        epoch, place = divmod(position, len(self._dataset))
        random = np.random.RandomState([self._seed, epoch, place])
        return image, label, draw(self._augmentation, label.shape, random)

    def _index(self, position: int) -> int:
        epoch, place = divmod(position, len(self._dataset))
        return int(self._order(epoch)[place])

    def _order(self, epoch: int) -> Sequence[int] | NDArray[np.int64]:
        if not self._shuffle:
            return range(len(self._dataset))
        with self._lock:
            if epoch not in self._orders:
                random = np.random.RandomState([self._seed, epoch])
                self._orders[epoch] = random.permutation(len(self._dataset))
                while len(self._orders) > 4:
                    self._orders.popitem(last=False)
            return self._orders[epoch]

    def _decoded(self, index: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        if index in self._cache:
            return self._cache[index]
        image, label = self._dataset.image(index, self._form), self._dataset.label(index)
        self._check(image, label, self._dataset.ids[index])
        with self._lock:
            room = self._cache_room - image.nbytes - label.nbytes
            if room >= 0 and index not in self._cache:
                self._cache[index], self._cache_room = (image, label), room
        return image, label

    def _check(self, image: NDArray[Any], label: NDArray[np.uint8], name: str) -> None:
        if image.shape[:2] != label.shape:
            raise InputError(
                f"{name}: the image is {image.shape[1]}x{image.shape[0]} but its label is "
                f"{label.shape[1]}x{label.shape[0]}"
            )
        if self._classes is None:
            return
        wrong = label[(label >= self._classes) & (label != self._ignore)]
        if wrong.size:
            raise InputError(
                f"{name}: the label holds class index {wrong.max()}, but the network has "
                f"{self._classes} classes, 0 to {self._classes - 1} (and {self._ignore} to ignore)"
            )
