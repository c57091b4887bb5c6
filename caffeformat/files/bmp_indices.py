"""Indices of BMPs with palettes of greys, whose rows Pillow takes for ones of other bits."""

from __future__ import annotations

from typing import Any

_HEADER, _OLD_HEADER = 14, 12  # where the second header begins, and the size of OS/2's
_RAW_MODES = {4: "P;4", 8: "P"}
_TAKEN_FOR = {"1": 1, "L": 8}  # bits


def keep_bmp_indices(image: Any) -> None:
    """Make a BMP that is not decoded yet one of mode P where Pillow would misread its rows.

    Pillow takes a palette of black and white for one bit per pixel, and one that has all indices
    as greys for eight, whatever the number of bits. Other images stay as they are.
    """
    tile = getattr(image, "tile", None)
    if image.format != "BMP" or image.mode not in _TAKEN_FOR or not tile or tile[0][0] != "raw":
        return
    bits = _bits(image.fp)
    if bits == _TAKEN_FOR[image.mode] or bits not in _RAW_MODES:
        return
    from PIL import ImagePalette

    greys = (0, 255) if image.mode == "1" else range(1 << bits)
    image.palette = ImagePalette.raw("RGB", bytes(grey for grey in greys for _ in range(3)))
    arguments = (_RAW_MODES[bits], *tile[0][3][1:])
    # A named tuple since Pillow 11
    is_named = hasattr(tile[0], "_replace")
    image.tile = [tile[0]._replace(args=arguments) if is_named else (*tile[0][:3], arguments)]
    setattr(image, "_mode" if hasattr(image, "_mode") else "mode", "P")  # `_mode` since Pillow 10.1


def _bits(file: Any) -> int:
    """The number of bits per pixel of a BMP. The position in `file` stays."""
    position = file.tell()
    file.seek(_HEADER)
    header = file.read(16)
    file.seek(position)
    start = 10 if header[:1] == bytes([_OLD_HEADER]) else 14
    return int.from_bytes(header[start : start + 2], "little")
