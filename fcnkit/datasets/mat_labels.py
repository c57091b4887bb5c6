"""Reads labels from the MATLAB files of four public datasets as H x W uint8 class indices.

| function | dataset | variable | void, which becomes 255 |
| --- | --- | --- | --- |
| `sbd_label` | SBD | `GTcls.Segmentation` | none |
| `context_label` | PASCAL-Context | `LabelMap` | none: classes that were not chosen are 0 |
| `nyud_label` | NYUDv2 | `segmentation` | 0 |
| `siftflow_label` | SIFT Flow | `S` | 0 and below |

`source` is a path or a file's content as bytes; `name` is what errors call it. A value that is not
a class index (a fraction, NaN, a class that the dataset does not have) is a `FormatError` that
names it.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, read_bytes
from fcnkit.images import IGNORE_LABEL, source_name

if TYPE_CHECKING:
    from typing import Union

    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import TypeAlias

    Source: TypeAlias = Union[str, os.PathLike[str], bytes]

# Far more than any label has; a compressed variable could claim any size.
_MOST_BYTES = 64 << 20
_COMPRESSED = 15  # MATLAB 5's type of a compressed variable


def sbd_label(source: Source, name: str | None = None) -> NDArray[np.uint8]:
    """Read a label of SBD: 21 classes, VOC's indices."""
    classes, name = _variable(source, name, "GTcls")
    try:
        label = classes[0]["Segmentation"][0]
    except (IndexError, KeyError, ValueError, TypeError) as error:
        raise FormatError(name, "expected GTcls.Segmentation, found a GTcls without it") from error
    return _indices(label, name, 0, 20, void=IGNORE_LABEL)


def nyud_label(source: Source, name: str | None = None) -> NDArray[np.uint8]:
    """Read a label of NYUDv2: 40 classes (Gupta et al., CVPR 2013), 1 to 40 become 0 to 39."""
    label, name = _variable(source, name, "segmentation")
    return _rotated(_indices(label, name, 0, 40))


def siftflow_label(source: Source, name: str | None = None, classes: int = 33) -> NDArray[np.uint8]:
    """Read a label of SIFT Flow: semantic (1 to 33) or geometric classes (1 to 3), from 0 on."""
    label, name = _variable(source, name, "S")
    indices = _indices(label, name, -255, classes, dtype=np.int16)
    return _rotated(np.maximum(indices, 0).astype(np.uint8))


def context_label(
    source: Source, table: NDArray[np.uint8], name: str | None = None
) -> NDArray[np.uint8]:
    """Read a label of PASCAL-Context; `table` holds the new index of each of the 459 classes."""
    label, name = _variable(source, name, "LabelMap")
    return table[_indices(label, name, 0, len(table) - 1, dtype=np.uint16)]


def context_table(labels: Source, chosen: Source) -> tuple[NDArray[np.uint8], list[str]]:
    """The table for `context_label`, and the names of the chosen classes after `background`.

    `labels` and `chosen` are the dataset's `labels.txt` and `59_labels.txt`, paths or bytes, with
    lines `number: name`. The second file spells three names differently from the first.
    """
    numbers = {name: number for number, name in _numbered(labels, "labels.txt")}
    table = np.zeros(max(numbers.values()) + 1, np.uint8)
    names = ["background"]
    for _, name in _numbered(chosen, "59_labels.txt"):
        number = numbers.get(_SPELLED.get(name, name))
        if number is None:
            raise FormatError("59_labels.txt", f"class {name!r} is not in labels.txt")
        if len(names) == IGNORE_LABEL:
            raise FormatError(
                "59_labels.txt",
                f"has more than the {IGNORE_LABEL - 1} classes that fit into labels",
            )
        table[number] = len(names)
        names.append(name)
    return table, names


# 59_labels.txt -> labels.txt
_SPELLED = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


def _numbered(source: Source, name: str) -> list[tuple[int, str]]:
    """Parse lines `number: name`."""
    if not isinstance(source, bytes):
        name = os.fspath(source)
    data = source if isinstance(source, bytes) else read_bytes(source)
    found = []
    for line_number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip():
            continue
        number, colon, text = line.partition(":")
        if not colon or not number.strip().isdigit() or not 0 < int(number) < 1 << 16:
            raise FormatError(name, f"expected `number: name`, found {line!r}", line_number)
        found.append((int(number), text.replace(" ", "").strip()))
    if not 0 < len(found) < 1 << 16:
        raise FormatError(name, "there are no classes in it")
    return found


def _variable(source: Source, name: str | None, variable: str) -> tuple[Any, str]:
    """(the variable's array, the source's name)."""
    name = name or source_name(source, "label")
    try:
        from scipy.io import loadmat, whosmat
    except ImportError as error:
        raise InputError(f"{name}: reading it needs SciPy: pip install scipy") from error
    data = source if isinstance(source, bytes) else read_bytes(source)
    try:
        shapes = {found: shape for found, shape, _ in whosmat(io.BytesIO(data))}
        if variable not in shapes:
            raise FormatError(
                name,
                f"expected the variable {variable}, found {', '.join(shapes) or 'none'}",
            )
        size = max(math.prod(shapes[variable]), _unpacked_size(data))
        if size > _MOST_BYTES:
            raise FormatError(
                name, f"refused: {size} values or bytes in {variable}, more than {_MOST_BYTES}"
            )
        return loadmat(io.BytesIO(data), variable_names=[variable])[variable], name
    except FormatError:
        raise
    except Exception as error:  # damaged files make SciPy raise nearly anything
        raise FormatError(name, f"cannot be read as a MATLAB file: {error}") from error


def _unpacked_size(data: bytes) -> int:
    """Count the bytes in the compressed variables of a MATLAB 5 file, up to the first too many.

    A struct's own size tells nothing about its fields. Elements at the file's top level are a type,
    a size and that many bytes, after a header of 128 bytes.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    total, position = 0, 128
    while order and position + 8 <= len(data) and total <= _MOST_BYTES:
        kind, size = struct.unpack_from(f"{order}II", data, position)
        position += 8
        if kind == _COMPRESSED:
            packed = data[position : position + size]
            total += len(zlib.decompressobj().decompress(packed, _MOST_BYTES + 1))
        position += size
    return total


def _indices(
    label: Any,
    name: str,
    lowest: int,
    highest: int,
    void: int | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """Convert `label` to H x W `dtype`; `FormatError` if a value is neither an index nor `void`."""
    label = np.asarray(label)
    if label.ndim != 2 or label.dtype.kind not in "iufb" or not label.size:
        raise FormatError(name, f"expected H x W class indices, found {label.dtype} {label.shape}")
    right = (lowest <= label) & (label <= highest)
    if void is not None:
        right |= label == void
    if label.dtype.kind == "f":
        right &= label == np.floor(label)
    if not right.all():
        row, column = np.argwhere(~right)[0].tolist()
        expected = f"whole class indices {lowest} to {highest}"
        expected += "" if void is None else f" or {void}"
        raise FormatError(
            name,
            f"expected {expected}, found {label[row, column]} at x={column}, y={row} and such "
            f"values in {np.count_nonzero(~right)} of {label.size} pixels: correct the label, or "
            "use the one that the dataset came with",
        )
    return label.astype(dtype)


def _rotated(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn classes from 1 on into classes from 0 on, and 0 into 255."""
    return label - np.uint8(1)
