"""Caffe's files and geometry without an engine."""

from .errors import FormatError, InputError
from .schema import pb

__all__ = ["FormatError", "InputError", "pb"]
