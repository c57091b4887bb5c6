"""The backward pass of Python layers that only read data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fcnkit import engine


class NoGradient:
    """Part of a Python layer without bottoms, named before the engine's `Layer` as a base."""

    def backward(
        self,
        top: Sequence[engine.Blob],
        propagate_down: Sequence[bool],
        bottom: Sequence[engine.Blob],
    ) -> None:
        """Do nothing: there is no bottom to pass a gradient to."""
