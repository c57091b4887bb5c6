"""Trained networks kept open for tests, one image at a time each."""

from __future__ import annotations

import collections
import dataclasses
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError
from caffeformat.files import check_file
from fcnkit.datasets import default_palette
from fcnkit.images import as_rgb
from fcnkit.inference import names_for
from fcnkit.training import read_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.inference import Segmenter, TrainedNet

_MOST = 2  # networks that stay open
_MAX_PIXELS = 25_000_000  # of an image


class OpenNetwork:
    """A trained network with the names and colours of its classes. Threads take turns."""

    def __init__(self, trained: TrainedNet) -> None:
        self._trained, self._segmenter = trained, trained.segmenter()
        self._lock = threading.Lock()
        self.weights = trained.weights
        self.names: Sequence[str] | None = trained.names
        palette = trained.palette
        self.palette = default_palette(trained.names) if palette is None else palette
        self.ignore = 255 if trained.ignore is None else trained.ignore
        self.form = self._segmenter.form

    def shown(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """Return an image of the network's form as H x W x 3 uint8 RGB."""
        return as_rgb(image, self._trained.bands)

    def segment(
        self, image: NDArray[Any], title: str
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8], str]:
        """Return (scores C x h x w, class map H x W, blob) of an image, H x W x channels."""
        if image.shape[0] * image.shape[1] > _MAX_PIXELS:
            raise InputError(
                f"{title}: has {image.shape[1]}x{image.shape[0]} pixels; expected at most "
                f"{_MAX_PIXELS // 1_000_000} million: scale it down"
            )
        with self._lock:
            # A copy: the net writes its next scores into the same memory.
            scores = np.array(self._segmenter.scores(image, title))
            mask = self._segmenter.map_of(scores, image.shape[:2])
            blob = self._segmenter.output_blob or "score"
        self.names = names_for(len(scores), self.names)
        return scores, mask, blob

    @property
    def segmenter(self) -> Segmenter:
        """The segmenter itself, for work that holds `turn`."""
        return self._segmenter

    @property
    def turn(self) -> threading.Lock:
        """To be held by whoever uses `segmenter`."""
        return self._lock


class OpenNetworks:
    """The networks that were used last, by run folder and weights."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: collections.OrderedDict[tuple[str, float], OpenNetwork] = (
            collections.OrderedDict()
        )

    def get(self, run: str, weights: str | None = None) -> OpenNetwork:
        """Return the network of an output of `train`, of its newest snapshot without `weights`."""
        trained = read_run(run)
        if weights is not None:
            trained = dataclasses.replace(trained, weights=weights)
        check_file(trained.weights)
        key = (trained.weights, os.stat(trained.weights).st_mtime)
        with self._lock:
            if key not in self._open:
                self._open[key] = OpenNetwork(trained)
            self._open.move_to_end(key)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)
            return self._open[key]
