"""Trained networks on images: class maps, scores, reports and comparisons."""

from .comparison import as_dict, compare, sheet, table
from .files import SCORE_TYPES, Result, check_outputs, find_images, segment_files
from .metrics import ConfusionMatrix
from .reports import SUMMARY, class_rows, csv_paths, format_scores, scores_as_dict, write_csv
from .scoring import (
    VOC_COUNT,
    Scoreboard,
    masks_and_labels,
    names_for,
    predictions_and_labels,
    score,
)
from .segmenter import Segmenter

__all__ = [
    "SCORE_TYPES",
    "SUMMARY",
    "VOC_COUNT",
    "ConfusionMatrix",
    "Result",
    "Scoreboard",
    "Segmenter",
    "as_dict",
    "check_outputs",
    "class_rows",
    "compare",
    "csv_paths",
    "find_images",
    "format_scores",
    "masks_and_labels",
    "names_for",
    "predictions_and_labels",
    "score",
    "scores_as_dict",
    "segment_files",
    "sheet",
    "table",
    "write_csv",
]
