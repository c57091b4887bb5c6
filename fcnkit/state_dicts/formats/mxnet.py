"""Reads MXNet's and Gluon's parameter files: a list of arrays, then a list of their names.

The layout is that of `NDArray::Save` in MXNet's `src/ndarray/ndarray.cc`, little-endian. The
prefixes `arg:` and `aux:`, which symbolic models put before names, are removed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from caffeformat import brief

from .values import BFLOAT16, item_size, shaped, values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caffeformat.messages import Span

MAGIC = (0x112).to_bytes(8, "little")

# The number that an array begins with, by the version of its layout; the oldest begins with its
# number of axes.
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8", 7: "?", 12: BFLOAT16}
_MOST_AXES = 32


def read(span: Span) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of a mapped file."""
    reader = _Reader(span)
    reader.number("<u8")
    reader.number("<u8")  # reserved
    arrays = [reader.array() for _ in range(reader.count(least=8))]
    names = [reader.text() for _ in range(reader.count(least=8))]
    if len(names) != len(arrays):
        raise span.error(reader.position, f"{len(arrays)} arrays, but {len(names)} names")
    tensors: OrderedDict[str, NDArray[Any]] = OrderedDict()
    for name, (shape, values) in zip(names, arrays):
        name = name.split(":", 1)[1] if name.startswith(("arg:", "aux:")) else name
        if name in tensors:
            raise span.error(reader.position, f"two arrays are called {brief(name)}")
        tensors[name] = shaped(span.source, name, values, shape)
    return tensors


class _Reader:
    def __init__(self, span: Span) -> None:
        self.span, self.position = span, span.start

    def take(self, size: int, what: str) -> Span:
        """The next `size` bytes."""
        if size > self.span.end - self.position:
            raise self.span.error(
                self.position, f"{what} should have {size} bytes: the file is truncated or damaged"
            )
        part = self.span.part(self.position, self.position + size, what)
        self.position += size
        return part

    def number(self, dtype: str) -> int:
        """The next number, an integer of `dtype`."""
        return int(self.take(item_size(dtype), "a number").numbers(dtype)[0])

    def count(self, least: int) -> int:
        """The length of a list whose items have at least `least` bytes."""
        count = self.number("<u8")
        if count > (self.span.end - self.position) // least:
            raise self.span.error(
                self.position, f"a list of {count} items, more than the file can hold: damaged"
            )
        return count

    def text(self) -> str:
        """The next text."""
        return self.take(self.number("<u8"), "a name").text()

    def array(self) -> tuple[list[int], NDArray[Any]]:
        """(shape, flat values) of the next array."""
        version = self.number("<u4")
        if version in (_V2, _V3) and self.number("<i4") != 0:
            raise self.span.error(self.position, "a sparse array, which no classifier has")
        if version in (_V1, _V2, _V3):
            shape = self.shape(self.number("<i4"), "<i8")
        else:
            shape = self.shape(version, "<u4")
        if not shape and version != _V3:
            return [0], self.take(0, "an array").numbers("<f4")
        self.take(8, "an array's device")
        kind = self.number("<i4")
        if kind not in _TYPES:
            raise self.span.error(self.position, f"values of the unknown type {kind}")
        count = 1
        for size in shape:
            count *= size
        return shape, values_of(
            self.take(count * item_size(_TYPES[kind]), "an array"), _TYPES[kind]
        )

    def shape(self, axes: int, dtype: str) -> list[int]:
        """The next shape, `axes` numbers of `dtype`."""
        if not 0 <= axes <= _MOST_AXES:
            raise self.span.error(self.position, f"an array of {axes} axes: damaged")
        shape = [self.number(dtype) for _ in range(axes)]
        if any(size < 0 for size in shape):
            raise self.span.error(self.position, f"an array of shape {shape}: damaged")
        return shape
