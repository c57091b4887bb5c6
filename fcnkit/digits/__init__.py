"""DIGITS' models: downloads and job folders opened for inference and training."""

from .opening import open_for_training, open_model

__all__ = [
    "open_for_training",
    "open_model",
]
