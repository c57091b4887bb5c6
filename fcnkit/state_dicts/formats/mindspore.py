"""Reads MindSpore's checkpoints: a protobuf message that repeats (tag, tensor).

The fields are those of `Checkpoint`, `Checkpoint.Value` and `TensorProto` in MindSpore's
`checkpoint.proto`. A large tensor is split into several entries with the same tag, each with the
whole shape.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.messages import BYTES, VARINT

from .values import BFLOAT16, shaped, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat.messages import Span

_TAG, _TENSOR = 1, 2
_DIMS, _TYPE, _CONTENT = 1, 2, 3

_TYPES = {
    "Float64": "<f8", "Float32": "<f4", "Float16": "<f2", "BFloat16": BFLOAT16, "Int64": "<i8",
    "Int32": "<i4", "Int16": "<i2", "Int8": "i1", "UInt8": "u1", "Bool": "?",
}  # fmt: skip


def read(span: Span) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of a mapped file."""
    parts: OrderedDict[str, list[NDArray[Any]]] = OrderedDict()
    shapes: dict[str, list[int]] = {}
    for number, kind, value in span.fields():
        if number != 1 or kind != BYTES:
            continue
        name, tensor = _entry(value)
        shape, values = _tensor(tensor, name)
        parts.setdefault(name, []).append(values)
        shapes[name] = shape
    tensors: OrderedDict[str, NDArray[Any]] = OrderedDict()
    for name, pieces in parts.items():
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        # A scalar is stored with the shape (0).
        shape = [] if shapes[name] == [0] and values.size == 1 else shapes[name]
        tensors[name] = shaped(span.source, name, values, shape)
    return tensors


def _entry(span: Span) -> tuple[str, Span]:
    name = tensor = None
    for number, kind, value in span.fields():
        if kind == BYTES and number == _TAG:
            name = value.text()
        elif kind == BYTES and number == _TENSOR:
            tensor = value
    if name is None or tensor is None:
        raise span.error(
            span.start, "an entry without tag or tensor: is this not a MindSpore checkpoint?"
        )
    return name, tensor


def _tensor(span: Span, name: str) -> tuple[list[int], NDArray[Any]]:
    """(shape, flat values) of a TensorProto."""
    span.what = f"tensor {name!r}"
    shape: list[int] = []
    dtype = content = None
    for number, kind, value in span.fields():
        if number == _DIMS and kind == VARINT:
            shape.append(value)
        elif number == _DIMS and kind == BYTES:
            shape += value.integers()
        elif kind == BYTES and number == _TYPE:
            kind_name = value.text()
            dtype = _TYPES.get(kind_name)
            if dtype is None:
                raise span.error(value.start, f"values of the unknown type {kind_name!r}")
        elif kind == BYTES and number == _CONTENT:
            content = value
    if dtype is None or content is None:
        raise span.error(span.start, "a tensor without type or content")
    return shape, values_of(content, dtype)
