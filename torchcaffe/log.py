"""Caffe's log, through Python's logging: the lines that existing parsers look for.

The library logs to the logger "torchcaffe"; `attach(stream_or_path)` makes its lines appear, in
glog's format: `I0302 23:05:52.660122 17064 solver.cpp:243] Iteration 1000, ...`.
"""

from __future__ import annotations

import datetime
import logging
import os
import sys
import threading
import time
import types
from collections.abc import Iterable, Mapping
from typing import TextIO

from caffeformat import printable
from caffeformat.files import open_append
from torchcaffe.core import solver_rank

logger = logging.getLogger("torchcaffe")
logger.addHandler(logging.NullHandler())

_LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


def info(place: str, message: str, text: str = "") -> None:
    """Log `message` as Caffe does at `place` of its source, such as `solver.cpp:243`.

    The message is one line, whatever the names in it hold; the lines of `text` follow it. Of
    several solvers, only the root logs.
    """
    if solver_rank() == 0:
        line = printable(message, lines=False)
        logger.info(f"{line}\n{text}" if text else line, extra={"caffe_place": place})


class GlogFormatter(logging.Formatter):
    """Formats records as glog does: level and date, time, thread, place, message."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.datetime.fromtimestamp(record.created)
        place = getattr(record, "caffe_place", f"{record.filename}:{record.lineno}")
        letter = _LETTERS.get(record.levelno, "I")
        head = f"{letter}{when:%m%d %H:%M:%S.%f} {threading.get_native_id():5d} {place}] "
        return head + printable(record.getMessage())


def init_log() -> None:
    """Send Caffe's lines to stderr, as pycaffe's `init_log` does; a second call has no effect."""
    if not any(type(handler) is logging.StreamHandler for handler in logger.handlers):
        attach()


def attach(target: str | os.PathLike[str] | TextIO | None = None) -> logging.Handler:
    """Send Caffe's lines to `target`, a path or a stream (default: stderr); returns the handler.

    `detach(handler)` stops that.
    """
    handler: logging.Handler
    if isinstance(target, (str, os.PathLike)):
        open_append(target).close()  # refuses what is no file
        handler = logging.FileHandler(target, encoding="utf-8")
    else:
        handler = logging.StreamHandler(target or sys.stderr)
    handler.setFormatter(GlogFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def detach(handler: logging.Handler) -> None:
    """Stop sending lines to `handler` and close it."""
    logger.removeHandler(handler)
    handler.close()


def number(value: float) -> str:
    """Format a number as C++ streams print it, with six significant digits."""
    return f"{value:g}"


def output(name: str, value: float, weight: float) -> str:
    """Format a net's output and what it adds to the loss: `loss = 2.5 (* 1 = 2.5 loss)`."""
    line = f"{name} = {number(value)}"
    if weight:
        line += f" (* {number(weight)} = {number(weight * value)} loss)"
    return line


def outputs(
    place: str,
    phase: str,
    weights: Mapping[str, float],
    values: Iterable[tuple[str, Iterable[float]]],
) -> None:
    """Log lines `Train net output #0: loss = 2.5 (* 1 = 2.5 loss)`, one per number.

    `phase` is "Train" or "Test"; `weights` are the net's `blob_loss_weights`; `values` are pairs of
    an output's name and its flat array.
    """
    pairs = [(name, value) for name, array in values for value in array]
    for index, (name, value) in enumerate(pairs):
        info(place, f"    {phase} net output #{index}: {output(name, value, weights[name])}")


class Speed:
    """Measures how fast steps are taken; the first lap begins at step `iteration`."""

    def __init__(self, iteration: int) -> None:
        self._begun, self._from = time.perf_counter(), iteration

    def lap(self, iteration: int, display: int) -> str:
        """Format the speed since the last lap as Caffe does: `25 iter/s, 0.4s/10 iters`."""
        now = time.perf_counter()
        seconds = max(now - self._begun, 1e-9)
        speed = (iteration - self._from) / seconds
        self._begun, self._from = now, iteration
        return f"{number(speed)} iter/s, {number(seconds)}s/{display} iters"


class _CallableModule(types.ModuleType):
    """A module that can be called: pycaffe has a function `log`, this engine has both."""

    def __call__(self, message: str) -> None:
        """Log `message` as a line of the script's own."""
        info("_caffe.cpp:63", message)


sys.modules[__name__].__class__ = _CallableModule
