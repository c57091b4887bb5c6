"""Caffe's log: the lines that parsers in the wild look for, through Python's logging.

The library only logs, to the logger "torchcaffe"; `attach(stream_or_path)` makes its lines appear,
in glog's form: `I0302 23:05:52.660122 17064 solver.cpp:243] Iteration 1000, ...`.
"""

import datetime
import logging
import sys
import threading
import time
import types

from caffeformat import InputError

from .process import solver_rank

logger = logging.getLogger("torchcaffe")
logger.addHandler(logging.NullHandler())

_LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


def info(place, message):
    """Log `message` as Caffe does at `place` of its source, such as `solver.cpp:243`.

    Of several solvers the root alone speaks.
    """
    if solver_rank() == 0:
        logger.info(message, extra={"caffe_place": place})


class GlogFormatter(logging.Formatter):
    """Formats records as glog does: level and date, time, thread, place, message."""

    def format(self, record):
        when = datetime.datetime.fromtimestamp(record.created)
        place = getattr(record, "caffe_place", f"{record.filename}:{record.lineno}")
        letter = _LETTERS.get(record.levelno, "I")
        head = f"{letter}{when:%m%d %H:%M:%S.%f} {threading.get_native_id():5d} {place}] "
        return head + record.getMessage()


def init_log():
    """Send Caffe's lines to stderr, once, as pycaffe's `init_log` starts glog."""
    if not any(type(handler) is logging.StreamHandler for handler in logger.handlers):
        attach()


def attach(target=None):
    """Send Caffe's lines to `target`, a path or a stream (stderr); returns the handler.

    `detach(handler)` ends it.
    """
    if target is None or hasattr(target, "write"):
        handler = logging.StreamHandler(target or sys.stderr)
    else:
        try:
            handler = logging.FileHandler(target, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{target}: cannot write a log here: {error.strerror}") from error
    handler.setFormatter(GlogFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    return handler


def detach(handler):
    """Stop sending lines to `handler` and close it."""
    logger.removeHandler(handler)
    handler.close()


def number(value):
    """A number as C++ streams print it: six significant digits."""
    return f"{value:g}"


def output(name, value, weight):
    """A net's output, and what it adds to the loss: `loss = 2.5 (* 1 = 2.5 loss)`."""
    line = f"{name} = {number(value)}"
    if weight:
        line += f" (* {number(weight)} = {number(weight * value)} loss)"
    return line


def outputs(place, phase, net, values):
    """Log `Train net output #0: loss = 2.5 (* 1 = 2.5 loss)`, a line a number.

    `phase` is "Train" or "Test"; `values` are pairs of an output's name and its flat array.
    """
    weights = net.blob_loss_weights
    pairs = [(name, value) for name, array in values for value in array]
    for index, (name, value) in enumerate(pairs):
        info(place, f"    {phase} net output #{index}: {output(name, value, weights[name])}")


class Speed:
    """How fast steps are taken, in Caffe's words; the first lap begins at step `iteration`."""

    def __init__(self, iteration):
        self._begun, self._from = time.perf_counter(), iteration

    def lap(self, iteration, display):
        """The speed since the last lap, as `25 iter/s, 0.4s/10 iters`."""
        now = time.perf_counter()
        seconds = max(now - self._begun, 1e-9)
        speed = (iteration - self._from) / seconds
        self._begun, self._from = now, iteration
        return f"{number(speed)} iter/s, {number(seconds)}s/{display} iters"


class _CallableModule(types.ModuleType):
    """pycaffe has a function `log` where this engine has this module: it is both."""

    def __call__(self, message):
        """Log `message` as a script's own line."""
        info("_caffe.cpp:63", message)


sys.modules[__name__].__class__ = _CallableModule
