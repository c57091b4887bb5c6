"""Protobuf's wire format over a mapped file: fields are walked, never parsed into a second copy.

protobuf's own parser copies every float of a message, twice over in Python; a caffemodel is half a
gigabyte of them. Here a message is a range of bytes and a packed array of floats is a view.
Every length is checked against the bytes that are there before it is believed.
"""

import mmap
import os

import numpy as np

from .errors import FormatError, InputError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZE = {FIXED64: 8, FIXED32: 4}


def field_numbers(message_class):
    """Field name -> field number of a message class."""
    return {field.name: field.number for field in message_class.DESCRIPTOR.fields}


class Span:
    """The bytes `start` to `end` of a mapped file: a message, a string or packed numbers.

    `what` names it in errors (`layer "conv1"`).
    """

    __slots__ = ("_buffer", "_bytes", "end", "source", "start", "what")

    def __init__(self, source, buffer, array, start, end, what):
        self.source, self._buffer, self._bytes = source, buffer, array
        self.start, self.end, self.what = start, end, what

    def __len__(self):
        return self.end - self.start

    def error(self, position, problem):
        """A `FormatError` that gives the byte and what was being read there."""
        return FormatError(self.source, f"byte {position}, reading {self.what}: {problem}")

    def text(self):
        """The span as a string."""
        try:
            return bytes(self._buffer[self.start : self.end]).decode("utf-8")
        except UnicodeDecodeError:
            raise self.error(self.start, "text that is not UTF-8") from None

    def raw(self):
        """The span's bytes, copied."""
        return bytes(self._buffer[self.start : self.end])

    def numbers(self, dtype):
        """The span as an array of packed numbers: a read-only view, perhaps unaligned."""
        if len(self) % np.dtype(dtype).itemsize:
            raise self.error(self.start, f"{len(self)} bytes are no whole number of {dtype} values")
        return self._bytes[self.start : self.end].view(dtype)

    def integers(self):
        """The span as a list of packed varints (signed, 64 bits)."""
        values, position = [], self.start
        while position < self.end:
            value, position = self._varint(position)
            values.append(_signed(value))
        return values

    def fields(self, unpacked=None):
        """The message's fields as (number, wire type, value).

        The value is a signed integer (VARINT), a Span (BYTES) or an array (FIXED32, FIXED64): of
        one value, or for the field numbers in `unpacked` (number -> dtype) of all that follow each
        other (old writers stored the floats of a blob one by one).
        """
        unpacked = unpacked or {}
        position = self.start
        while position < self.end:
            at = position
            key, position = self._varint(position)
            number, kind = key >> 3, key & 7
            if number == 0 or number >= 1 << 29:
                raise self.error(at, f"field number {number} cannot be: not this kind of file?")
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
                raise self.error(at, f"wire type {kind} cannot be here: not this kind of file?")

    def _check_size(self, at, number, size, position):
        if size > self.end - position:
            raise self.error(
                at,
                f"field {number} says it has {size} bytes, but {self.end - position} are left; "
                "the file is truncated or damaged",
            )

    def part(self, start, end, what):
        """The Span from byte `start` to `end` of the same file."""
        return Span(self.source, self._buffer, self._bytes, start, end, what)

    def _run(self, start, key, dtype):
        """(array, end) of the numbers from byte `start` on, each after a `key` of its own."""
        stride = len(key) + np.dtype(dtype).itemsize
        most = (self.end - start) // stride
        rows = self._bytes[start : start + most * stride].reshape(most, stride)
        expected = np.frombuffer(key, np.uint8)
        count, step = 0, 16
        while count < most:
            # Steps that grow: short runs cost little, long ones few rounds.
            equal = (rows[count : count + step, : len(key)] == expected).all(axis=1)
            count += len(equal) if equal.all() else int(equal.argmin())
            if not equal.all():
                break
            step *= 2
        values = np.ascontiguousarray(rows[:count, len(key) :]).view(dtype).reshape(count)
        return values, start + count * stride

    def _varint(self, position):
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


def map_file(path, what):
    """The whole file at `path` as a Span named `what`, mapped read-only.

    The file is not read until it is looked at. Views into it stay right when the file is replaced
    by renaming, as this project does, but not when another program shortens it in place.
    """
    path = os.fspath(path)
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise FormatError(path, f"the file is empty; expected {what}")
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return Span(path, buffer, np.frombuffer(buffer, np.uint8), 0, len(buffer), what)


def encode_varint(value):
    """`value` (signed integers as 64-bit two's complement) as a varint."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_key(number, kind):
    """A field's number and wire type."""
    return encode_varint(number << 3 | kind)


def encode_bytes(number, content):
    """A field of bytes, text or a message."""
    return encode_key(number, BYTES) + encode_varint(len(content)) + content


def _signed(value):
    return value - (1 << 64) if value >= 1 << 63 else value
