"""Batches of images and labels, made in the background in an order that the seed alone decides."""

import collections
import concurrent.futures
import threading

import numpy as np

from caffeformat import InputError

from .augmentation import Augmentation, draw, sample, whole


class BatchLoader:
    """Endless batches from a dataset: `next()` gives data and labels.

    `data` is N x 3 x H x W float32 as `preprocessor` makes it, `labels` N x 1 x H x W float32 class
    indices (float, because Caffe's blobs are). What an image does not cover is 0 in `data`, which
    is the mean colour, and `ignore` in `labels`.

    `dataset` has `len`, `ids`, `image(i)` (RGB H x W x 3 uint8) and `label(i)` (H x W uint8); it is
    read from `threads` threads. With an `augmentation` every image gets its own draw and a batch
    may reach into the next epoch; without one, images come whole, a batch is as large as its
    largest image, and the last batch of an epoch holds what is left.

    Sample number p of the run depends on `seed` and p alone, so `start` (samples already used)
    continues an earlier run. Decoded images are kept while they fit in `cache_mb` MiB. With `turn`
    (r, n) these are the batches of number r of n solvers, who take a batch each in every round.
    """

    def __init__(
        self,
        dataset,
        batch_size,
        preprocessor,
        augmentation=None,
        seed=0,
        shuffle=False,
        ignore=255,
        classes=None,
        start=0,
        threads=2,
        cache_mb=512,
        turn=(0, 1),
    ):
        if not len(dataset):
            raise InputError("the dataset is empty: there is nothing to make batches of")
        if batch_size < 1:
            raise InputError(f"a batch holds at least one image, not {batch_size}")
        self._dataset, self._size, self._preprocessor = dataset, batch_size, preprocessor
        self._augmentation, self._seed, self._shuffle = augmentation, seed & 0xFFFFFFFF, shuffle
        self._ignore, self._classes = ignore, classes
        self._cache, self._cache_room = {}, cache_mb << 20
        self._lock = threading.Lock()
        self._orders = collections.OrderedDict()
        self._position, self._turn = start, turn
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, "batches")
        self._waiting = collections.deque(self._submit() for _ in range(threads + 1))

    def next(self):
        """(data, labels) of the next batch; raises what reading its images raised."""
        batch = self._waiting.popleft().result()
        self._waiting.append(self._submit())
        return batch

    def close(self):
        """Stop the background threads; batches that are being made are finished first."""
        for future in self._waiting:
            future.cancel()
        self._pool.shutdown()

    def _submit(self):
        rank, solvers = self._turn
        positions = [self._next_positions() for _ in range(solvers)][rank]
        return self._pool.submit(self._batch, positions)

    def _next_positions(self):
        begin, count = self._position, self._size
        if self._augmentation is None:
            count = min(count, len(self._dataset) - begin % len(self._dataset))
        self._position += count
        return range(begin, begin + count)

    def _batch(self, positions):
        samples = [self._sample(position) for position in positions]
        height, width = np.max([placement.size for _, _, placement, _ in samples], axis=0)
        data = np.zeros((len(samples), 3, height, width), np.float32)
        labels = np.full((len(samples), 1, height, width), self._ignore, np.float32)
        for i, (image, label, placement, flip) in enumerate(samples):
            top, left, bottom, right = placement.window
            pixels, classes = sample(image, placement, True), sample(label, placement, False)
            if flip:
                pixels, classes = pixels[:, ::-1], classes[:, ::-1]
            self._preprocessor.fill(data[i, :, top:bottom, left:right], pixels)
            labels[i, 0, top:bottom, left:right] = classes
        return data, labels

    def _sample(self, position):
        epoch, place = divmod(position, len(self._dataset))
        image, label = self._decoded(int(self._order(epoch)[place]))
        if self._augmentation is None:
            return image, label, whole(label.shape), False
        random = np.random.RandomState([self._seed, epoch, place])
        return (image, label, *draw(self._augmentation, label.shape, random))

    def _order(self, epoch):
        if not self._shuffle:
            return range(len(self._dataset))
        with self._lock:
            if epoch not in self._orders:
                random = np.random.RandomState([self._seed, epoch])
                self._orders[epoch] = random.permutation(len(self._dataset))
                while len(self._orders) > 4:
                    self._orders.popitem(last=False)
            return self._orders[epoch]

    def _decoded(self, index):
        if index in self._cache:
            return self._cache[index]
        image, label = self._dataset.image(index), self._dataset.label(index)
        self._check(image, label, self._dataset.ids[index])
        with self._lock:
            room = self._cache_room - image.nbytes - label.nbytes
            if room >= 0 and index not in self._cache:
                self._cache[index], self._cache_room = (image, label), room
        return image, label

    def _check(self, image, label, name):
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


def augmentation_from(options):
    """The `Augmentation` of a dict with `crop`, `scale` and `flip`, or None where none is set.

    `crop` is a number or (height, width), `scale` a number or (lowest, highest).
    """
    crop, scale, flip = options.get("crop"), options.get("scale"), options.get("flip", False)
    if crop is None and scale is None and not flip:
        return None
    pair = [crop, crop] if isinstance(crop, int) else crop
    scale = [1.0, 1.0] if scale is None else scale
    scale = [scale, scale] if isinstance(scale, (int, float)) else scale
    return Augmentation(pair, scale, flip)
