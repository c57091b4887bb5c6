"""DIGITS' models: downloads and job folders, opened for inference or further training; archives."""

from __future__ import annotations

from .archive import write_archive
from .models import DigitsModel
from .opening import ModelToTrain, open_model

__all__ = [
    "DigitsModel",
    "ModelToTrain",
    "open_model",
    "write_archive",
]
