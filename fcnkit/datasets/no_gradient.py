"""The backward pass of Python layers that only read data."""

from __future__ import annotations


class NoGradient:
    """Part of a Python layer without bottoms, named before the engine's `Layer` as a base."""

    def backward(self, *_: object) -> None:
        """Do nothing: there is no bottom to pass a gradient to."""
