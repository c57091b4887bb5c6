"""Predictions for a dataset, made in several processes that share out its images."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit import engine

from .scoring import predictions_and_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fcnkit.datasets import SegmentationDataset

    from .scoring import Sample
    from .trained_net import TrainedNet

# Predictions that wait for their turn
_WAITING = 16


class _NotWantedError(Exception):
    """Nobody asks for further predictions."""


def shared_predictions(
    trained: TrainedNet,
    settings: Mapping[str, Any],
    open_images: Callable[[], SegmentationDataset],
    devices: engine.Devices,
    noted: Callable[[str], object] = lambda note: None,
) -> Iterator[Sample]:
    """Segment each image of a dataset and read its label, in one process per device.

    settings       arguments of `trained.segmenter` beside the GPU
    open_images    opens the dataset in each process; it is pickled
    noted          called at the end with each note of the processes' segmenters, once

    Yields what `predictions_and_labels` does, in the dataset's order. Raises the `InputError` of
    any process.
    """
    found: queue.Queue[Any] = queue.Queue(_WAITING)
    is_wanted = True

    def heard(message: Any) -> None:
        while is_wanted:
            try:
                return found.put(message, timeout=1)
            except queue.Full:
                continue
        raise _NotWantedError

    def run() -> None:
        end: Exception | None = None
        try:
            # What keeps the files alive stays here.
            arguments = (
                dataclasses.replace(trained, owner=None),
                dict(settings),
                open_images,
                devices,
            )
            engine.run_together(
                _predict, devices.count, arguments, stop=lambda: False, heard=heard, restarts=0
            )
        except Exception as error:
            end = error
        with contextlib.suppress(_NotWantedError):
            heard(end)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    waiting: dict[int, Sample] = {}
    notes: dict[str, None] = {}
    position = 0
    try:
        while True:
            message = found.get()
            if message is None:
                for note in notes:
                    noted(note)
                return
            if isinstance(message, Exception):
                raise message
            if message[0] is None:
                notes.update(dict.fromkeys(message[1]))
                continue
            waiting[message[0]] = message[1]
            while position in waiting:
                yield waiting.pop(position)
                position += 1
    finally:
        is_wanted = False
        thread.join()


def _predict(
    line: Any,
    trained: TrainedNet,
    settings: Mapping[str, Any],
    open_images: Callable[[], SegmentationDataset],
    devices: engine.Devices,
) -> None:
    """Segment every image that falls to this process, and tell the result."""
    gpu = devices.gpus[line.rank] if devices.gpus else None
    segmenter = trained.segmenter(**settings, gpu=gpu)
    with open_images() as dataset:
        mine = range(line.rank, len(dataset), devices.count)
        with contextlib.closing(predictions_and_labels(segmenter, dataset, mine)) as samples:
            for i, sample in zip(mine, samples):
                line.tell((i, sample))
    line.tell((None, segmenter.notes))


def refuse_launched() -> None:
    """Raise `InputError` where torchrun has started several processes for what starts its own."""
    if engine.has_launched():
        raise InputError(
            "torchrun has started this process, but predictions are shared out by the command "
            "itself: start it without torchrun, with several GPUs or processes"
        )
