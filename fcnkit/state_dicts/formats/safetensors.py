"""Reads safetensors files: 8 bytes with the header's size, a JSON header, all tensors' values.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from caffeformat import brief, reading
from fcnkit.files import parse_json

from .values import BFLOAT16, shaped, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caffeformat.messages import Span

_MOST_HEADER = 100 << 20  # the format's own limit

_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": BFLOAT16, "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_NOBODYS = "belong to no tensor, which the format forbids: the file is damaged"


def read(span: Span) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of a mapped file, in the order of their values."""
    start, entries = read_header(span)
    tensors: OrderedDict[str, NDArray[Any]] = OrderedDict()
    for name, kind, shape, begin, end in entries:
        if kind not in _TYPES:
            raise span.error(
                8, f"tensor {brief(name)} has values of the unknown type {brief(kind)}"
            )
        values = values_of(span.part(start + begin, start + end, name), _TYPES[kind])
        tensors[name] = shaped(span.source, name, values, shape)
    return tensors


def read_header(span: Span) -> tuple[int, list[Entry]]:
    """(where the values begin, what is where) of a mapped file, in the order of the values.

    As the format demands, a name stands once, and every byte of the values belongs to one tensor:
    readers would differ in what they take such files for.
    """
    if len(span) < 8:
        raise span.error(0, "the file is truncated: it ends before its header")
    size = int(span.part(0, 8, span.what).numbers("<u8")[0])
    start = 8 + size
    if size > _MOST_HEADER or start > len(span):
        raise span.error(0, f"a header of {size} bytes: the file is truncated or damaged")
    with reading(span.source, "the header cannot be read"):
        header = parse_json(span.part(8, start, "the header").text(), span.source, unique=True)
        entries = [_entry(name, entry) for name, entry in header.items() if name != "__metadata__"]
        entries.sort(key=lambda entry: (entry.begin, entry.end))
    place, last = 0, ""
    for name, _, _, begin, end in entries:
        if not (0 <= begin <= end <= len(span) - start):
            raise span.error(8, f"tensor {brief(name)} lies outside the file, which is truncated")
        if begin < place:
            raise span.error(
                8, f"tensors {brief(last)} and {brief(name)} share bytes, which the format forbids"
            )
        if begin > place:
            raise span.error(8, f"{begin - place} bytes before tensor {brief(name)} {_NOBODYS}")
        place, last = end, name
    if place < len(span) - start:
        raise span.error(8, f"the last {len(span) - start - place} bytes {_NOBODYS}")
    return start, entries


class Entry(NamedTuple):
    """A tensor in the header: its bytes are those from `begin` to `end` of the values."""

    name: str
    dtype: str
    shape: list[int]
    begin: int
    end: int


def _entry(name: str, entry: Mapping[str, Any]) -> Entry:
    begin, end = map(operator.index, entry["data_offsets"])
    return Entry(name, str(entry["dtype"]), [operator.index(n) for n in entry["shape"]], begin, end)
