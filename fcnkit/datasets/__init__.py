"""Datasets as training and scoring read them: folders, LMDBs, DIGITS jobs, batches.

`DatasetFolder` opens a dataset; `BatchLoader` makes batches of one. Importing this room loads no
engine; the base of Berkeley's data layers does, when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .augment_options import (
    AUGMENTATION_SETS,
    USUAL_AUGMENTATION,
    augmentation_from,
    augmentation_texts,
    check_augmentation,
    parse_augmentation,
)
from .augmentation import Augmentation, Draw
from .batches import BatchLoader, Order, Turn
from .berkeley_options import is_berkeley, seed_berkeley, start_berkeley
from .class_frequencies import count_pixels, median_frequency_weights
from .digits_jobs import STATUS, class_names_and_palette, is_job, mean_kind, read_job
from .folder import (
    DatasetFolder,
    Location,
    locate,
    open_dataset,
    read_ids,
    read_if_there,
    refuse_other_names,
)
from .mat_labels import context_label, context_table, nyud_label, sbd_label, siftflow_label
from .no_gradient import NoGradient
from .reading import (
    FolderDataset,
    LmdbDataset,
    Pair,
    SegmentationDataset,
    default_palette,
    find_pairs,
    image_files,
    other_files,
    unread_kind,
    unread_pictures,
)
from .segmentation_data import (
    DEFAULTS,
    LAYER,
    MODULE,
    is_segmentation_data,
    open_loader,
    options_of,
    parse_options,
    set_options,
)
from .stored_forms import (
    can_become,
    common_channels,
    describe_form,
    form_of_datum,
    form_of_file,
    size_of_datum,
    size_of_file,
)

if TYPE_CHECKING:
    from .berkeley import IMAGENET_MEAN, SegDataLayer, image_input, minus_mean, read_depth

__all__ = [
    "AUGMENTATION_SETS",
    "DEFAULTS",
    "IMAGENET_MEAN",
    "LAYER",
    "MODULE",
    "STATUS",
    "USUAL_AUGMENTATION",
    "Augmentation",
    "BatchLoader",
    "DatasetFolder",
    "Draw",
    "FolderDataset",
    "LmdbDataset",
    "Location",
    "NoGradient",
    "Order",
    "Pair",
    "SegDataLayer",
    "SegmentationDataset",
    "Turn",
    "augmentation_from",
    "augmentation_texts",
    "can_become",
    "check_augmentation",
    "class_names_and_palette",
    "common_channels",
    "context_label",
    "context_table",
    "count_pixels",
    "default_palette",
    "describe_form",
    "find_pairs",
    "form_of_datum",
    "form_of_file",
    "image_files",
    "image_input",
    "is_berkeley",
    "is_job",
    "is_segmentation_data",
    "locate",
    "mean_kind",
    "median_frequency_weights",
    "minus_mean",
    "nyud_label",
    "open_dataset",
    "open_loader",
    "options_of",
    "other_files",
    "parse_augmentation",
    "parse_options",
    "read_depth",
    "read_ids",
    "read_if_there",
    "read_job",
    "refuse_other_names",
    "sbd_label",
    "seed_berkeley",
    "set_options",
    "siftflow_label",
    "size_of_datum",
    "size_of_file",
    "start_berkeley",
    "unread_kind",
    "unread_pictures",
]

# These load an engine, so they are imported when they are first used.
_ENGINE_NAMES = ("IMAGENET_MEAN", "SegDataLayer", "image_input", "minus_mean", "read_depth")


def __getattr__(name: str) -> object:
    if name in _ENGINE_NAMES:
        from . import berkeley

        return getattr(berkeley, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
