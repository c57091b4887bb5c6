"""Automatic surgery: turns any classifier into an FCN, with all of its files."""

from __future__ import annotations

from .channels import Widened, with_channels
from .fcn import FCN, fcn_from_classifier, name_fillers, trained_layers
from .folder import surgery_text, write_files
from .inputs import Images, for_channels, images_of, images_of_model, mean_values

__all__ = [
    "FCN",
    "Images",
    "Widened",
    "fcn_from_classifier",
    "for_channels",
    "images_of",
    "images_of_model",
    "mean_values",
    "name_fillers",
    "surgery_text",
    "trained_layers",
    "with_channels",
    "write_files",
]
