"""Automatic surgery: turns any classifier into an FCN, with all of its files."""

from __future__ import annotations

from .fcn import FCN, fcn_from_classifier, name_fillers, trained_layers
from .folder import surgery_text, write_files
from .inputs import Images, images_of, mean_values

__all__ = [
    "FCN",
    "Images",
    "fcn_from_classifier",
    "images_of",
    "mean_values",
    "name_fillers",
    "surgery_text",
    "trained_layers",
    "write_files",
]
