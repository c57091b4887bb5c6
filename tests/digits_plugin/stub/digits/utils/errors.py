"""DIGITS' own kinds of errors."""

from __future__ import absolute_import, division, unicode_literals


class DigitsError(Exception):
    """Base of them."""


class LoadImageError(DigitsError):
    """An image cannot be read."""
