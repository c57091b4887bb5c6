"""Decompression of Snappy's block format, with which LevelDB compresses its blocks."""

from __future__ import annotations


def decompress(data: bytes) -> bytes:
    """The bytes that `data` holds. Raises `ValueError` if it is damaged.

    A block is the uncompressed length as a varint, then literals and copies of earlier bytes.
    """
    try:
        return _decompress(data)
    except IndexError:
        raise ValueError("compressed data ends too early") from None


def _decompress(data: bytes) -> bytes:
    length = shift = at = 0
    while True:
        length |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            break
    # Apart from literals, no element of two or three bytes makes more than 64.
    if length > 64 * len(data):
        raise ValueError(f"{len(data)} compressed bytes claim to be {length}")
    output = bytearray()
    while at < len(data):
        tag = data[at]
        kind, size = tag & 3, (tag >> 2) + 1
        at += 1
        if kind == 0:
            if size > 60:
                extra = size - 60
                size = int.from_bytes(data[at : at + extra], "little") + 1
                at += extra
            output += data[at : at + size]
            at += size
            continue
        if kind == 1:
            size = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(data[at : at + width], "little")
            at += width
        if not 0 < offset <= len(output):
            raise ValueError("a copy from before the beginning")
        if len(output) + size > length:
            break
        start = len(output) - offset
        # A copy may reach into its own output: then its pattern repeats.
        pattern = bytes(output[start : start + size])
        output += (pattern * (size // len(pattern) + 1))[:size]
    if len(output) != length:
        raise ValueError(f"compressed data makes {len(output)} bytes, not {length}")
    return bytes(output)
