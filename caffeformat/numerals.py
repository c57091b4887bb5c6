"""Whole numbers in texts that nobody has checked."""

from __future__ import annotations

# Of what fits into 64 bits. Python takes quadratic time for thousands of digits, or refuses them.
_MOST_DIGITS = 18


def whole_number(text: str) -> int | None:
    """The number that `text` writes with at most 18 decimal digits; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None
