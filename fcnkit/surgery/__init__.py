"""Net surgery: turns classifiers into FCNs, and moves, edits and folds weights.

Everything here works on files, without an engine.
"""

from __future__ import annotations

from .automatic import (
    FCN,
    Images,
    Widened,
    fcn_from_classifier,
    for_channels,
    images_of,
    images_of_model,
    mean_values,
    name_fillers,
    surgery_text,
    trained_layers,
    with_channels,
    write_files,
)
from .convolutionalize import convolutionalize
from .edits import grow_outputs, rename, to_convolution, to_inner_product, widen_inputs
from .fold import fold_batch_norm
from .transplanting import Step, Transplant, check_fit, name_map, transplant
from .unpadded import without_padding

__all__ = [
    "FCN",
    "Images",
    "Step",
    "Transplant",
    "Widened",
    "check_fit",
    "convolutionalize",
    "fcn_from_classifier",
    "fold_batch_norm",
    "for_channels",
    "grow_outputs",
    "images_of",
    "images_of_model",
    "mean_values",
    "name_fillers",
    "name_map",
    "rename",
    "surgery_text",
    "to_convolution",
    "to_inner_product",
    "trained_layers",
    "transplant",
    "widen_inputs",
    "with_channels",
    "without_padding",
    "write_files",
]
