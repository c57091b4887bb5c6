"""CRC-32C (Castagnoli, RFC 3720), the checksum of LevelDB's files, fast enough in NumPy.

A checksum is linear: that of a long string can be combined from those of its parts. A string is cut
into equal parts, which are processed side by side, one byte of each at a time; then neighbours are
joined pairwise, by applying to a part's checksum what the length of the next part does to it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


_POLYNOMIAL = 0x82F63B78  # bits reversed
_PART = 128
_ONES = 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """The CRC-32C of `data`."""
    if len(data) < 2 * _PART:
        return _one_by_one(data)
    count = 1 << (-(-len(data) // _PART) - 1).bit_length()
    padded = np.zeros(count * _PART, np.uint8)
    # Leading zeros change nothing while the checksum is zero; then inverting the first four bytes
    # is the same as starting from all ones.
    start = len(padded) - len(data)
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + 4] ^= 0xFF
    table = _byte_table()
    sums: NDArray[np.uint32] = np.zeros(count, np.uint32)
    for column in padded.reshape(count, _PART).T:
        sums = table[(sums ^ column) & 0xFF] ^ (sums >> 8)
    level = 0
    while len(sums) > 1:
        sums = _apply(_shift_table(level), sums[0::2]) ^ sums[1::2]
        level += 1
    return int(sums[0]) ^ _ONES


def masked_crc32c(data: bytes) -> int:
    """The checksum as LevelDB stores it: masked, because files of checksums are checksummed too."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def _one_by_one(data: bytes) -> int:
    table, crc = _byte_list(), _ONES
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ONES


@functools.cache
def _byte_table() -> NDArray[np.uint32]:
    """What one byte, 0 to 255, does to a checksum."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ (table & 1) * np.uint32(_POLYNOMIAL)
    return table


@functools.cache
def _byte_list() -> list[int]:
    return _byte_table().tolist()


@functools.cache
def _shift_table(level: int) -> NDArray[np.uint32]:
    """4 x 256: what `_PART << level` zero bytes do to each byte of a checksum."""
    if level:
        half = _shift_table(level - 1)
        return _apply(half, half)
    sums = np.arange(256, dtype=np.uint32) << np.array([[0], [8], [16], [24]], np.uint32)
    for _ in range(_PART):
        sums = _byte_table()[sums & 0xFF] ^ (sums >> 8)
    return sums


def _apply(table: NDArray[np.uint32], sums: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (
        table[0][sums & 0xFF]
        ^ table[1][(sums >> 8) & 0xFF]
        ^ table[2][(sums >> 16) & 0xFF]
        ^ table[3][sums >> 24]
    )
