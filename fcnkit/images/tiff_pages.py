"""The list of a TIFF's pages."""

from __future__ import annotations

import struct
from typing import IO

# First bytes -> (byte order, formats of an offset and of a number of entries, bytes of an entry)
# TIFF 6.0, section 2; BigTIFF has 64-bit numbers behind a longer header.
_KINDS = {
    b"II*\0": ("<", "I", "H", 12),
    b"MM\0*": (">", "I", "H", 12),
    b"II+\0": ("<", "Q", "Q", 20),
    b"MM\0+": (">", "Q", "Q", 20),
}


def tiff_pages(file: IO[bytes]) -> int:
    """The number of pages of a TIFF, 0 if the list of them ends in the middle.

    A list that leads back to one of them has ended. Pillow before 9 would follow either for ever.
    `file` is left at the place where it was.
    """
    place = file.tell()
    try:
        return _pages(file)
    except (struct.error, OverflowError):  # nothing, or nowhere, to be read
        return 0
    finally:
        file.seek(place)


def _pages(file: IO[bytes]) -> int:
    file.seek(0)
    order, offset_format, count_format, entry = _KINDS[file.read(4)]
    file.seek(8 if offset_format == "Q" else 4)

    def number(code: str) -> int:
        (value,) = struct.unpack(order + code, file.read(struct.calcsize(order + code)))
        return int(value)

    passed: set[int] = set()
    offset = number(offset_format)
    while offset and offset not in passed:
        passed.add(offset)
        file.seek(offset)
        entries = number(count_format)
        file.seek(entries * entry, 1)
        offset = number(offset_format)
    return len(passed)
