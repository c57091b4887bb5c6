"""Prepares datasets: archives become image and label folders, folders become LMDBs.

`prepare_<dataset>` extracts a public dataset's archives, `prepare_data` what annotation tools
export; `create_lmdb` writes the databases that Caffe's Data layers read, and `check_entries` finds
faults in either. All report to a `Progress`.
"""

from __future__ import annotations

from .check.augmented_sheet import AugmentedSample, augmented_samples, augmented_sheet
from .check.entries import check_entries, database_entries, folder_entries
from .check.sheet import dataset_sheet
from .check.summary import PROBLEMS, format_summary
from .check.table import ImageRow, ImageTable, read_image_table
from .layouts.coco.layout import prepare_coco
from .layouts.exports.plan import DataOptions
from .layouts.exports.prepare import PreparedData, prepare_data
from .layouts.exports.registry import LAYOUTS
from .layouts.nyud import INPUTS, prepare_nyud
from .layouts.pascal_context import prepare_pascal_context
from .layouts.sbd import SPLITS, prepare_sbd
from .layouts.siftflow import LABELS, prepare_siftflow
from .layouts.voc import prepare_voc
from .lmdb.dataset import VAL_PERCENT, create_lmdb, find_splits, split_pairs
from .lmdb.encoding import Form
from .parallel import processors

__all__ = [
    "INPUTS",
    "LABELS",
    "LAYOUTS",
    "PROBLEMS",
    "SPLITS",
    "VAL_PERCENT",
    "AugmentedSample",
    "DataOptions",
    "Form",
    "ImageRow",
    "ImageTable",
    "PreparedData",
    "augmented_samples",
    "augmented_sheet",
    "check_entries",
    "create_lmdb",
    "database_entries",
    "dataset_sheet",
    "find_splits",
    "folder_entries",
    "format_summary",
    "prepare_coco",
    "prepare_data",
    "prepare_nyud",
    "prepare_pascal_context",
    "prepare_sbd",
    "prepare_siftflow",
    "prepare_voc",
    "processors",
    "read_image_table",
    "split_pairs",
]
