"""Checks the checksums of a PNG's pixels (PNG 1.2, 5.3), which libpng does and Pillow does not.

Without them a changed byte of a label is another class, and not an error.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 1 << 20


def check_png_sums(file: IO[bytes]) -> None:
    """Raise `ValueError` where a checksum of the pixels of the PNG in `file` is not theirs.

    Other files and truncated ones pass: decoding says what is wrong with them. The position in
    `file` stays.
    """
    if not file.seekable():
        return
    position = file.tell()
    try:
        file.seek(0)
        if file.read(len(_SIGNATURE)) == _SIGNATURE:
            _check_chunks(file)
    finally:
        file.seek(position)


def _check_chunks(file: IO[bytes]) -> None:
    while True:
        head = file.read(8)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(kind) < 4 or kind == b"IEND":
            return
        if kind != b"IDAT":  # Pillow checks the others
            file.seek(size + 4, 1)
            continue
        found = zlib.crc32(kind)
        while size:
            piece = file.read(min(size, _PIECE))
            if not piece:
                return
            found, size = zlib.crc32(piece, found), size - len(piece)
        stated = file.read(4)
        if len(stated) == 4 and int.from_bytes(stated, "big") != found:
            raise ValueError("the checksum of its pixels is not theirs")
