"""Caffe's log: the lines that parsers in the wild look for, through Python's logging.

The library only logs, to the logger "torchcaffe"; `attach(stream_or_path)` makes its lines appear,
in glog's form: `I0302 23:05:52.660122 17064 solver.cpp:243] Iteration 1000, ...`.
"""

import datetime
import logging
import sys
import threading

logger = logging.getLogger("torchcaffe")
logger.addHandler(logging.NullHandler())

_LETTERS = {logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}


def info(place, message):
    """Log `message` as Caffe does at `place` of its source, such as `solver.cpp:243`."""
    logger.info(message, extra={"caffe_place": place})


class GlogFormatter(logging.Formatter):
    """Formats records as glog does: level and date, time, thread, place, message."""

    def format(self, record):
        when = datetime.datetime.fromtimestamp(record.created)
        place = getattr(record, "caffe_place", f"{record.filename}:{record.lineno}")
        letter = _LETTERS.get(record.levelno, "I")
        head = f"{letter}{when:%m%d %H:%M:%S.%f} {threading.get_native_id():5d} {place}] "
        return head + record.getMessage()


def attach(target=None):
    """Send Caffe's lines to `target`, a path or a stream (stderr); returns the handler.

    `detach(handler)` ends it.
    """
    if target is None or hasattr(target, "write"):
        handler = logging.StreamHandler(target or sys.stderr)
    else:
        handler = logging.FileHandler(target, encoding="utf-8")
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
