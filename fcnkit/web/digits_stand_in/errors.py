"""Stand-in for `digits.utils.errors`."""


class DigitsError(Exception):
    """Base of DIGITS' own errors."""


class LoadImageError(DigitsError):
    """An image cannot be read."""
