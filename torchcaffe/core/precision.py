"""Precision: the floating-point type in which the layers of a net compute.

Weights, losses, statistics and whatever a solver remembers are float32 in any case. In a lower
precision, convolutions and inner products compute in that type, and layers that only move, choose
or add values keep the type of their bottoms; all others compute in float32. On CPUs without
instructions for the type, numbers are rounded to it but multiplied in float32.
"""

from __future__ import annotations

import contextlib
import functools
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

# PyTorch's names of the instructions that multiply numbers of a type
_INSTRUCTIONS = {
    torch.bfloat16: ("avx512_bf16", "amx_bf16", "bf16"),
    torch.float16: ("avx512_fp16", "amx_fp16"),
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


@functools.cache
def is_native(dtype: torch.dtype, kind: str) -> bool:
    """Whether devices of that kind ("cpu", "cuda") multiply numbers of `dtype` by themselves.

    PyTorch computes without such instructions, too, but some twenty times slower than in float32.
    """
    if kind != "cpu" or dtype == torch.float32:
        return True
    has = torch.cpu.get_capabilities()
    return torch.backends.mkldnn.is_available() and any(
        has.get(name, False) for name in _INSTRUCTIONS[dtype]
    )


def lower_precision() -> torch.dtype | None:
    """The type in which nets that are made now compute, or None for float32."""
    return None if _name == "float32" else PRECISIONS[_name]
