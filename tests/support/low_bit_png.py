"""Writes grey PNGs of few bits per sample."""

import struct
import zlib

import numpy as np


def low_bit_png(indices, bits):
    """A grey PNG of 1, 2 or 4 bits per sample, which Pillow cannot write itself."""
    pixels = np.unpackbits(np.asarray(indices, np.uint8)[..., None], axis=2)[..., 8 - bits :]
    packed = np.packbits(pixels.reshape(len(indices), -1), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    header = struct.pack(">IIBBBBB", len(indices[0]), len(indices), bits, 0, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        crc = zlib.crc32(kind + data)
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc))
    return b"".join(parts)
