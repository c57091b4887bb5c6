"""What the readers of state dicts share: bytes as numbers, numbers as tensors."""

import contextlib
import math

import numpy as np

from caffeformat import FormatError

# NumPy has no bfloat16, the upper half of a float32.
BFLOAT16 = "bfloat16"


def item_size(dtype):
    """Bytes of one value of `dtype`, NumPy's or `BFLOAT16`."""
    return 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize


def values_of(span, dtype):
    """The bytes of a `caffeformat.messages.wire.Span` as a flat array; bfloat16 becomes float32."""
    return widened(span.numbers("<u2")) if dtype == BFLOAT16 else span.numbers(dtype)


def widened(halves):
    """The bits of bfloat16 numbers (uint16) as float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)


def shaped(source, name, values, shape):
    """`values` in `shape`; `FormatError` where their number is another."""
    # NumPy refuses more axes, or longer ones, than it knows.
    with contextlib.suppress(ValueError, OverflowError):
        if all(n >= 0 for n in shape) and math.prod(shape) == values.size:
            return values.reshape([int(n) for n in shape])
    raise FormatError(
        source, f"tensor {name!r} has {values.size} values, which is no shape {tuple(shape)}"
    )
