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

import functools
import importlib.util
import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, brief, read_bytes
from caffeformat.apart import run_apart
from fcnkit.images import IGNORE_LABEL, source_name

if TYPE_CHECKING:
    from typing import Union

    from numpy.typing import DTypeLike, NDArray
    from typing_extensions import TypeAlias

    Source: TypeAlias = Union[str, os.PathLike[str], bytes]

# Far more than any label has; a compressed variable could claim any size.
_MOST_BYTES = 64 << 20
# SciPy's reader can crash, so that it runs in a process of its own.
_PROBLEM = "cannot be read as a MATLAB file"
_READER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mat_file.py")


def sbd_label(source: Source, name: str | None = None) -> NDArray[np.uint8]:
    """Read a label of SBD: 21 classes, VOC's indices."""
    label, name = _variable(source, name, "GTcls", "Segmentation")
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


_NUMBER = re.compile("[0-9]{1,6}")
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
        if not colon or not _NUMBER.fullmatch(number.strip()) or not 0 < int(number) < 1 << 16:
            raise FormatError(name, f"expected `number: name`, found {brief(line)}", line_number)
        found.append((int(number), text.replace(" ", "").strip()))
    if not 0 < len(found) < 1 << 16:
        raise FormatError(name, "there are no classes in it")
    return found


@functools.cache
def _has_scipy() -> bool:
    return importlib.util.find_spec("scipy") is not None  # looked up anew, it takes a millisecond


def _variable(
    source: Source, name: str | None, variable: str, field: str | None = None
) -> tuple[NDArray[Any], str]:
    """(the array of the variable, or of its field, and the source's name)."""
    name = name or source_name(source, "label")
    if not _has_scipy():
        raise InputError(f"{name}: reading it needs SciPy: pip install scipy")
    data = source if isinstance(source, bytes) else read_bytes(source, _MOST_BYTES)
    asked = {"variable": variable, "field": field, "most": _MOST_BYTES}
    found, values = run_apart(name, _READER, "read", asked, data, problem=_PROBLEM)
    return np.frombuffer(values, found["dtype"]).reshape(found["shape"]), name


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
    if label.dtype.kind in "iub" and lowest <= label.min() and label.max() <= highest:
        return label.astype(dtype)  # nearly always; the rest costs several arrays
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
