"""The demo: the whole chain on generated shapes, with a report."""

from .report import write
from .steps import Outcome, clear, foreground_iou, run

__all__ = [
    "Outcome",
    "clear",
    "foreground_iou",
    "run",
    "write",
]
