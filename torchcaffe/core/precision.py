"""Precision: the floating-point type in which the layers of a net compute.

Weights, losses, statistics and whatever a solver remembers are float32 in any case. In a lower
precision, convolutions and inner products compute in that type, and layers that only move, choose
or add values keep the type of their bottoms; all others compute in float32.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRECISIONS: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_name = "float32"


def set_precision(name: str) -> None:
    """Let nets made from now on compute in "float32" (the initial one), "bfloat16" or "float16".

    Raises `InputError` for any other name.
    """
    global _name
    if name not in PRECISIONS:
        raise InputError(
            "{option}: expected one of " + ", ".join(PRECISIONS), option="precision", value=name
        )
    _name = name


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Let nets made meanwhile compute in that precision."""
    before = _name
    set_precision(name)
    try:
        yield
    finally:
        set_precision(before)


def lower_precision() -> torch.dtype | None:
    """The type in which nets that are made now compute, or None for float32."""
    return None if _name == "float32" else PRECISIONS[_name]
