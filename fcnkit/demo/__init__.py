"""The demo: the whole chain on generated shapes, from an archive to scores, with a report.

`run` takes all steps, `write` makes the report of what it returns.
"""

from __future__ import annotations

from .report import write
from .steps import Outcome, clear, foreground_iou, run

__all__ = [
    "Outcome",
    "clear",
    "foreground_iou",
    "run",
    "write",
]
