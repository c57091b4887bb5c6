"""Reads a variable of a MATLAB file with SciPy, which a damaged one can crash.

It runs in a process of its own; see `caffeformat.apart`.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import Any

_COMPRESSED = 15  # MATLAB 5's type of a compressed variable


class Refused(Exception):
    """What is wrong with the file."""


def read(values: dict[str, Any], data: bytes) -> tuple[Any, bytes]:
    """Read `values["variable"]`, or its field `values["field"]` if that is not None, from `data`.

    Returns ({"dtype", "shape"}, bytes). Raises `Refused` if the variable is not there, holds no
    numbers, or takes more than `values["most"]` values or bytes.
    """
    import numpy as np
    from scipy.io import loadmat, whosmat

    variable, field, most = values["variable"], values["field"], values["most"]
    shapes = {found: shape for found, shape, _ in whosmat(io.BytesIO(data))}
    if variable not in shapes:
        raise Refused(f"expected the variable {variable}, found {', '.join(shapes) or 'none'}")
    size = max(math.prod(shapes[variable]), _unpacked_size(data, most))
    if size > most:
        raise Refused(f"refused: {size} values or bytes in {variable}, more than {most}")
    found = loadmat(io.BytesIO(data), variable_names=[variable])[variable]
    if field is not None:
        try:
            found = found[0][field][0]
        except (IndexError, KeyError, ValueError, TypeError):
            raise Refused(f"expected {variable}.{field}, found a {variable} without it") from None
    array = np.asarray(found)
    if array.dtype.kind not in "iufb":
        raise Refused(f"expected H x W class indices, found {array.dtype} {array.shape}")
    return {"dtype": array.dtype.str, "shape": array.shape}, array.tobytes()


def _unpacked_size(data: bytes, most: int) -> int:
    """Count the bytes in the compressed variables of a MATLAB 5 file, up to the first too many.

    A struct's own size tells nothing about its fields. Elements at the file's top level are a type,
    a size and that many bytes, after a header of 128 bytes.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    total, position = 0, 128
    while order and position + 8 <= len(data) and total <= most:
        kind, size = struct.unpack_from(f"{order}II", data, position)
        position += 8
        if kind == _COMPRESSED:
            packed = data[position : position + size]
            total += len(zlib.decompressobj().decompress(packed, most + 1))
        position += size
    return total
