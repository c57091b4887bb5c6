"""The demo: the whole chain on generated shapes, from an archive to scores, with a report.

`run` takes all steps, `write` makes the report of what it returns. `write_archive` and
`write_classifier_files` make the data of the first steps alone.
"""

from __future__ import annotations

from .classifier_files import write_classifier_files
from .generated_shapes import CLASSES, write_archive
from .report import write
from .steps import Outcome, clear, foreground_iou, run

__all__ = [
    "CLASSES",
    "Outcome",
    "clear",
    "foreground_iou",
    "run",
    "write",
    "write_archive",
    "write_classifier_files",
]
