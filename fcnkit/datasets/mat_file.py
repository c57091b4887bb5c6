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
    data = _unpacked(data, most)
    shapes = {found: shape for found, shape, _ in whosmat(io.BytesIO(data))}
    if variable not in shapes:
        raise Refused(f"expected the variable {variable}, found {', '.join(shapes) or 'none'}")
    size = math.prod(shapes[variable])
    if size > most:
        raise _too_much(f"{size} values in {variable}", most)
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


def _too_much(found: str, most: int) -> Refused:
    return Refused(f"refused: {found}, more than {most}")


def _unpacked(data: bytes, most: int) -> bytes:
    """Unpack the compressed variables of a MATLAB 5 file, at most `most` bytes of them.

    A struct's own size tells nothing about its fields. Elements at the file's top level are a type,
    a size and that many bytes, after a header of 128 bytes; a compressed one holds another. SciPy
    would unpack them twice, once for their names.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        return data
    parts, total, position = [data[:128]], 0, 128
    while position + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, position)
        end = position + 8 + size
        if kind == _COMPRESSED:
            part = zlib.decompressobj().decompress(data[position + 8 : end], most + 1 - total)
            total += len(part)
            if total > most:
                raise _too_much(f"{total} bytes or more in compressed variables", most)
            parts.append(part)
        else:
            parts.append(data[position:end])
        position = end
    return b"".join([*parts, data[position:]])
