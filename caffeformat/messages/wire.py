"""Protobuf's wire format over a mapped file, walked field by field without a second copy.

protobuf's own parser copies every float of a message, twice in Python, and a caffemodel can hold
half a gigabyte of them. Here a message is a range of bytes and a packed array of floats is a view.
Every length is checked against the bytes that are left before it is used.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.errors import FormatError, InputError
from caffeformat.files import open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message
    from numpy.typing import NDArray


VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


def field_numbers(message_class: type[Message]) -> dict[str, int]:
    """Field name -> field number of a message class."""
    return {field.name: field.number for field in message_class.DESCRIPTOR.fields}


class Span:
    """The bytes `start` to `end` of a mapped file: a message, a string or packed numbers.

    `what` names it in errors (`layer "conv1"`).
    """

    __slots__ = ("_buffer", "_bytes", "end", "source", "start", "what")

    def __init__(
        self,
        source: str,
        buffer: mmap.mmap,
        array: NDArray[np.uint8],
        start: int,
        end: int,
        what: str,
    ) -> None:
        self.source, self._buffer, self._bytes = source, buffer, array
        self.start, self.end, self.what = start, end, what

    def __len__(self) -> int:
        return self.end - self.start

    def error(self, position: int, problem: str) -> FormatError:
        """A `FormatError` that names the byte and what was being read there."""
        return FormatError(self.source, f"byte {position}, reading {self.what}: {problem}")

    def text(self) -> str:
        """The span as a string."""
        try:
            return bytes(self._buffer[self.start : self.end]).decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(self.start, "text that is not UTF-8") from None

    def raw(self) -> bytes:
        """The span's bytes, copied."""
        return bytes(self._buffer[self.start : self.end])

    def numbers(self, dtype: str) -> NDArray[Any]:
        """The span as an array of packed numbers: a read-only view, perhaps unaligned."""
        if len(self) % np.dtype(dtype).itemsize:
            raise self.error(
                self.start, f"{len(self)} bytes are not a whole number of {dtype} values"
            )
        return self._bytes[self.start : self.end].view(dtype)

    def integers(self) -> list[int]:
        """The span as a list of packed varints (signed, 64 bits)."""
        values: list[int] = []
        position = self.start
        while position < self.end:
            value, position = self._varint(position)
            values.append(_signed(value))
        return values

    def fields(self, unpacked: Mapping[int, str] | None = None) -> Iterator[tuple[int, int, Any]]:
        """The message's fields as (number, wire type, value).

        The value is a signed integer (VARINT), a Span (BYTES) or an array (FIXED32, FIXED64). An
        array has one value, except for the field numbers in `unpacked` (number -> dtype), where it
        has the whole run of consecutive ones (old writers stored a blob's floats one by one).
        """
        unpacked = unpacked or {}
        position = self.start
        while position < self.end:
            at = position
            key, position = self._varint(position)
            number, kind = key >> 3, key & 7
            if number == 0 or number >= 1 << 29:
                raise self.error(at, f"field number {number} is impossible: another kind of file?")
            if kind == VARINT:
                value, position = self._varint(position)
                yield number, kind, _signed(value)
                continue
            if kind in _FIXED_SIZE:
                size = _FIXED_SIZE[kind]
                self._check_size(at, number, size, position)
                dtype = unpacked.get(number, f"<u{size}")
                if np.dtype(dtype).itemsize != size:
                    raise self.error(at, f"field {number} holds values of {size} bytes")
                values, position = self._run(at, self._buffer[at:position], dtype)
                yield number, kind, values
            elif kind == BYTES:
                size, position = self._varint(position)
                self._check_size(at, number, size, position)
                yield (
                    number,
                    kind,
                    self.part(position, position + size, f"{self.what}, field {number}"),
                )
                position += size
            else:
                raise self.error(at, f"wire type {kind} is impossible: another kind of file?")

    def _check_size(self, at: int, number: int, size: int, position: int) -> None:
        if size > self.end - position:
            raise self.error(
                at,
                f"field {number} claims {size} bytes, but {self.end - position} are left; "
                "the file is truncated or damaged",
            )

    def part(self, start: int, end: int, what: str) -> Span:
        """The Span from byte `start` to `end` of the same file."""
        return Span(self.source, self._buffer, self._bytes, start, end, what)

    def _run(self, start: int, key: bytes, dtype: str) -> tuple[NDArray[Any], int]:
        """(array, end) of the numbers from byte `start` on, each preceded by its `key`."""
        stride = len(key) + np.dtype(dtype).itemsize
        most = (self.end - start) // stride
        rows = self._bytes[start : start + most * stride].reshape(most, stride)
        expected = np.frombuffer(key, np.uint8)
        count, step = 0, 16
        while count < most:
            # Growing steps: short runs cost little, long ones few rounds.
            equal = (rows[count : count + step, : len(key)] == expected).all(axis=1)
            count += len(equal) if equal.all() else int(equal.argmin())
            if not equal.all():
                break
            step *= 2
        values = np.ascontiguousarray(rows[:count, len(key) :]).view(dtype).reshape(count)
        return values, start + count * stride

    def _varint(self, position: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if position >= self.end:
                raise self.error(position, "ends inside a number; the file is truncated or damaged")
            byte = self._buffer[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, position
            shift += 7
            if shift > 63:
                raise self.error(position, "a number of more than 10 bytes; the file is damaged")


def map_file(path: str | os.PathLike[str], what: str) -> Span:
    """The whole file at `path` as a Span named `what`, mapped read-only.

    Pages are read when they are first used. Views into the file stay valid if it is replaced by
    renaming, as this project does, but not if another program shortens it in place.
    """
    path = os.fspath(path)
    try:
        with open_file(path) as file:
            if not os.fstat(file.fileno()).st_size:
                raise FormatError(path, f"the file is empty; expected {what}")
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return Span(path, buffer, np.frombuffer(buffer, np.uint8), 0, len(buffer), what)


def encode_varint(value: int) -> bytes:
    """`value` (signed integers as 64-bit two's complement) as a varint."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_key(number: int, kind: int) -> bytes:
    """A field's number and wire type."""
    return encode_varint(number << 3 | kind)


def encode_bytes(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return encode_key(number, BYTES) + encode_varint(len(content)) + content


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
