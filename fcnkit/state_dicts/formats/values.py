"""Helpers of all readers of state dicts: bytes to numbers, numbers to tensors."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, brief

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caffeformat.messages import Span

# NumPy has no bfloat16, the upper half of a float32.
BFLOAT16 = "bfloat16"


def item_size(dtype: str) -> int:
    """Bytes of one value of `dtype`, a NumPy type or `BFLOAT16`."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def values_of(span: Span, dtype: str) -> NDArray[Any]:
    """The bytes of `span` as a flat array of `dtype`; bfloat16 becomes float32."""
    return widened(span.numbers("<u2")) if dtype == BFLOAT16 else span.numbers(dtype)


def widened(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Convert the bits of bfloat16 numbers to float32."""
    return (halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


def shaped(source: str, name: str, values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Reshape `values` to `shape`; raises `FormatError` where their number does not fit."""
    # NumPy refuses more or longer axes than it supports.
    with contextlib.suppress(ValueError, OverflowError):
        if all(0 <= n < 1 << 62 for n in shape[:65]) and math.prod(shape[:65]) == values.size:
            return values.reshape([int(n) for n in shape])
    raise FormatError(
        source,
        f"tensor {brief(name)} has {values.size} values, which do not fit the shape "
        f"{brief(tuple(shape))}",
    )
