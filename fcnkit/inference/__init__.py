"""Trained networks on images: class maps, scores, reports and comparisons of models.

A `Segmenter` runs one net; `segment_files` writes results for image files, `score` measures a net
or masks against labels, and `compare_models` compares two models.
"""

from __future__ import annotations

from .comparison import (
    Comparison,
    ImageDifference,
    Model,
    compare_models,
    comparison_as_dict,
    comparison_sheet,
    comparison_table,
)
from .files import SCORE_TYPES, Result, check_outputs, find_images, segment_files
from .metrics import ConfusionMatrix
from .network import NetworkError
from .reports import SUMMARY, class_rows, csv_paths, format_scores, scores_as_dict, write_csv
from .scoring import (
    VOC_COUNT,
    ImageScore,
    Scoreboard,
    masks_and_labels,
    names_for,
    predictions_and_labels,
    score,
)
from .segmenter import Segmenter
from .trained_net import TrainedNet

__all__ = [
    "SCORE_TYPES",
    "SUMMARY",
    "VOC_COUNT",
    "Comparison",
    "ConfusionMatrix",
    "ImageDifference",
    "ImageScore",
    "Model",
    "NetworkError",
    "Result",
    "Scoreboard",
    "Segmenter",
    "TrainedNet",
    "check_outputs",
    "class_rows",
    "compare_models",
    "comparison_as_dict",
    "comparison_sheet",
    "comparison_table",
    "csv_paths",
    "find_images",
    "format_scores",
    "masks_and_labels",
    "names_for",
    "predictions_and_labels",
    "score",
    "scores_as_dict",
    "segment_files",
    "write_csv",
]
