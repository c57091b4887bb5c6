"""BlobProto, the message in which Caffe stores an array, and `.binaryproto` files with one."""

from __future__ import annotations

import math
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from caffeformat.errors import FormatError
from caffeformat.files import atomic_write
from caffeformat.messages import pb, wire

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike, NDArray


_BLOB = wire.field_numbers(pb.BlobProto)
_DIM = wire.field_numbers(pb.BlobShape)["dim"]
_LEGACY = [_BLOB[name] for name in ("num", "channels", "height", "width")]
_UNPACKED = {_BLOB["data"]: "<f4", _BLOB["double_data"]: "<f8"}
# NVIDIA's fork stores values as bytes, in its fields raw_data_type and raw_data; BVLC Caffe does
# not use these numbers.
_RAW_TYPE, _RAW = 10, 12
_RAW_TYPES = {0: "<f8", 1: "<f4", 2: "<f2"}
_CHUNK = 1 << 18


def read_blob(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """The float32 array of a `.binaryproto` file (a mean image: 1 x C x H x W).

    Raises `FormatError` naming the byte where the file stops making sense.
    """
    array, _ = decode_blob(wire.map_file(path, "a blob"))
    return array


def read_mean(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """The mean image in a `.binaryproto` file: C x H x W float32.

    Raises `FormatError` as `read_blob`, and for a blob that is no image.
    """
    mean = read_blob(path)
    if mean.ndim < 3 or mean.size != math.prod(mean.shape[-3:]) or not mean.size:
        shape = " x ".join(map(str, mean.shape)) or "a single number"
        raise FormatError(path, f"expected a mean image, channels x height x width; found {shape}")
    return mean.reshape(mean.shape[-3:])


def write_blob(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write `array` as a `.binaryproto` of float32 values that every Caffe reads.

    The shape of an array with four axes is written in the form of both old and new releases.
    """
    values = np.asarray(array)
    head = blob_head(values)
    if values.ndim == 4:
        dims = (
            wire.encode_key(n, wire.VARINT) + wire.encode_varint(d)
            for n, d in zip(_LEGACY, values.shape)
        )
        head = b"".join(dims) + head
    with atomic_write(path) as file:
        file.write(head)
        write_values(file, values)


def decode_blob(span: wire.Span) -> tuple[NDArray[np.float32], bool]:
    """(array, legacy) of the BlobProto in `span`: float32, a view into the file where it can be.

    `legacy` is True if the shape came from num, channels, height and width, and so has four axes
    whatever the blob is. Diffs are skipped. The number of values must fit the shape.
    """
    parts: dict[int, list[NDArray[Any]]] = {number: [] for number in _UNPACKED}
    shape: list[int] | None = None
    legacy: dict[int, int] = {}
    raw = raw_type = None
    for number, kind, value in span.fields(_UNPACKED):
        if number in parts and kind != wire.VARINT:
            parts[number].append(value.numbers(_UNPACKED[number]) if kind == wire.BYTES else value)
        elif number == _BLOB["shape"] and kind == wire.BYTES:
            shape = (shape or []) + _decode_shape(value)
        elif number in _LEGACY and kind == wire.VARINT:
            legacy[number] = value
        elif number == _RAW and kind == wire.BYTES:
            raw = value
        elif number == _RAW_TYPE and kind == wire.VARINT:
            raw_type = value
    if raw is not None:
        if raw_type not in _RAW_TYPES:
            raise raw.error(raw.start, f"values of type {raw_type}; known types are 0, 1 and 2")
        parts[_BLOB["data"]].append(raw.numbers(_RAW_TYPES[raw_type]))
    found = parts[_BLOB["double_data"]] or parts[_BLOB["data"]] or [np.zeros(0, np.float32)]
    values = found[0] if len(found) == 1 else np.concatenate(found)
    if legacy:
        shape = [legacy.get(number, 0) for number in _LEGACY]
    elif shape is None:
        shape = [len(values)]
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise span.error(span.start, f"{len(values)} values do not fill the shape {tuple(shape)}")
    with np.errstate(over="ignore"):  # a double past float32's range becomes infinite, as in Caffe
        return values.astype(np.float32, copy=False).reshape(shape), bool(legacy)


def _decode_shape(span: wire.Span) -> list[int]:
    dims: list[int] = []
    for number, kind, value in span.fields():
        if number == _DIM and kind in (wire.BYTES, wire.VARINT):
            dims += value.integers() if kind == wire.BYTES else [value]
    if len(dims) > 32:
        raise span.error(span.start, f"a shape of {len(dims)} axes; Caffe allows 32")
    return dims


def blob_head(array: NDArray[Any]) -> bytes:
    """The bytes of a BlobProto up to its values, which follow as packed float32."""
    dims = b"".join(wire.encode_varint(dim) for dim in array.shape)
    shape = wire.encode_bytes(_DIM, dims) if dims else b""
    return (
        wire.encode_bytes(_BLOB["shape"], shape)
        + wire.encode_key(_BLOB["data"], wire.BYTES)
        + wire.encode_varint(4 * array.size)
    )


def write_values(file: IO[bytes], array: NDArray[Any]) -> None:
    """Write the values of `array` as little-endian float32 without holding a second copy."""
    if array.dtype == np.dtype("<f4") and array.flags.c_contiguous:
        file.write(array.reshape(-1).view(np.uint8).data)
        return
    chunks = np.nditer(  # type: ignore[call-overload]  # NumPy's stub lacks "contig"
        array,
        ["external_loop", "buffered", "zerosize_ok"],
        [["readonly", "contig"]],
        op_dtypes=["<f4"],
        casting="same_kind" if array.dtype.kind == "f" else "unsafe",
        order="C",
        buffersize=_CHUNK,
    )
    for chunk in chunks:
        file.write(chunk.view(np.uint8).data)
