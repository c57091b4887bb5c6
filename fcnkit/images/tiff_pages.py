"""The list of a TIFF's pages."""

from __future__ import annotations

import struct
from typing import IO

# Pages that are counted at most: a list may be as long as its file.
_MOST = 1 << 16


def tiff_pages(file: IO[bytes]) -> int:
    """The number of pages of a TIFF, 65536 at most, 0 if the list of them ends in the middle.

    A list that leads back to one of them has ended. Pillow before 9 would follow either for ever.
    `file` is left at the place where it was.
    """
    place = file.tell()
    try:
        return _pages(file)
    except (struct.error, OSError, OverflowError, ValueError):  # nothing, or nowhere, to be read
        return 0
    finally:
        file.seek(place)


def _pages(file: IO[bytes]) -> int:
    file.seek(0)
    mark = file.read(4)
    order = "<" if mark.startswith(b"II") else ">"
    # TIFF 6.0, section 2; BigTIFF, whose number is 43, has 64-bit numbers behind a longer header.
    # Pillow reads files, too, that have the number's bytes in the other order.
    is_big = b"+" in mark
    offset_format, count_format, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    file.seek(8 if is_big else 4)

    def number(code: str) -> int:
        (value,) = struct.unpack(order + code, file.read(struct.calcsize(order + code)))
        return int(value)

    passed: set[int] = set()
    offset = number(offset_format)
    while offset and offset not in passed and len(passed) < _MOST:
        passed.add(offset)
        file.seek(offset)
        entries = number(count_format)
        file.seek(entries * entry, 1)
        offset = number(offset_format)
    return len(passed)
