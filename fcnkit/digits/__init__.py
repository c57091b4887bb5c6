"""DIGITS' models: downloads and job folders, opened for inference or to continue their training."""

from __future__ import annotations

from .models import DigitsModel
from .opening import open_for_training, open_model

__all__ = [
    "DigitsModel",
    "open_for_training",
    "open_model",
]
