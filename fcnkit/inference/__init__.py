"""Trained networks on images: class maps, scores, reports and comparisons of models.

A `Segmenter` runs one net; `segment_files` writes results for image files, `score` measures a net
or masks against labels, and `compare_models` compares two models.
"""

from __future__ import annotations

from .averaging import Evaluation, parse_scales
from .boundaries import BoundaryCounts
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
from .onnx_network import OnnxSegmenter
from .pictures import draw_confusion, worst_sheet
from .predictions import Prediction
from .reports import (
    SUMMARY,
    board_rows,
    class_rows,
    csv_paths,
    format_scores,
    scores_as_dict,
    summary,
    write_csv,
)
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
from .shared import refuse_launched, shared_predictions
from .trained_net import TrainedNet, is_onnx
from .voc_results import COMPETITIONS, pack_voc_results, read_image_set

__all__ = [
    "COMPETITIONS",
    "SCORE_TYPES",
    "SUMMARY",
    "VOC_COUNT",
    "BoundaryCounts",
    "Comparison",
    "ConfusionMatrix",
    "Evaluation",
    "ImageDifference",
    "ImageScore",
    "Model",
    "NetworkError",
    "OnnxSegmenter",
    "Prediction",
    "Result",
    "Scoreboard",
    "Segmenter",
    "TrainedNet",
    "board_rows",
    "check_outputs",
    "class_rows",
    "compare_models",
    "comparison_as_dict",
    "comparison_sheet",
    "comparison_table",
    "csv_paths",
    "draw_confusion",
    "find_images",
    "format_scores",
    "is_onnx",
    "masks_and_labels",
    "names_for",
    "pack_voc_results",
    "parse_scales",
    "predictions_and_labels",
    "read_image_set",
    "refuse_launched",
    "score",
    "scores_as_dict",
    "segment_files",
    "shared_predictions",
    "summary",
    "worst_sheet",
    "write_csv",
]
