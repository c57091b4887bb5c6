"""Prepares datasets: archives become image and label folders, folders become LMDBs.

`prepare_<dataset>` extracts a public dataset's archives, `prepare_data` what annotation tools
export; `create_lmdb` writes the databases that Caffe's Data layers read, and `check_entries` finds
faults in either. All report to a `Progress`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .lmdb.dataset import VAL_PERCENT, create_lmdb, find_splits, split_pairs
from .lmdb.encoding import Form
from .parallel import processors

if TYPE_CHECKING:
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

# Imported when they are first used: every process of `create_lmdb` would hold them otherwise.
_PLACES = {
    "INPUTS": ".layouts.nyud",
    "LABELS": ".layouts.siftflow",
    "LAYOUTS": ".layouts.exports.registry",
    "PROBLEMS": ".check.summary",
    "SPLITS": ".layouts.sbd",
    "AugmentedSample": ".check.augmented_sheet",
    "DataOptions": ".layouts.exports.plan",
    "ImageRow": ".check.table",
    "ImageTable": ".check.table",
    "PreparedData": ".layouts.exports.prepare",
    "augmented_samples": ".check.augmented_sheet",
    "augmented_sheet": ".check.augmented_sheet",
    "check_entries": ".check.entries",
    "database_entries": ".check.entries",
    "dataset_sheet": ".check.sheet",
    "folder_entries": ".check.entries",
    "format_summary": ".check.summary",
    "prepare_coco": ".layouts.coco.layout",
    "prepare_data": ".layouts.exports.prepare",
    "prepare_nyud": ".layouts.nyud",
    "prepare_pascal_context": ".layouts.pascal_context",
    "prepare_sbd": ".layouts.sbd",
    "prepare_siftflow": ".layouts.siftflow",
    "prepare_voc": ".layouts.voc",
    "read_image_table": ".check.table",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
