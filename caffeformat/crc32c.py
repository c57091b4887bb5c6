"""CRC-32C (Castagnoli, RFC 3720), the checksum of LevelDB's files, fast enough in NumPy.

A checksum is linear: that of a long string is put together from those of its parts. So a string is
cut into equal parts that are worked on side by side, one byte of each at a time; then neighbours
are joined, two by two, by what the following part's length does to a checksum.
"""

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78  # bits reversed
_PART = 128
_ONES = 0xFFFFFFFF


def crc32c(data):
    """The CRC-32C of the bytes `data`, an integer."""
    if len(data) < 2 * _PART:
        return _one_by_one(data)
    count = 1 << (-(-len(data) // _PART) - 1).bit_length()
    padded = np.zeros(count * _PART, np.uint8)
    # Zeros in front change nothing while the checksum is zero; then inverting the first four bytes
    # is the same as starting from all ones.
    start = len(padded) - len(data)
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + 4] ^= 0xFF
    table, sums = _byte_table(), np.zeros(count, np.uint32)
    for column in padded.reshape(count, _PART).T:
        sums = table[(sums ^ column) & 0xFF] ^ (sums >> 8)
    level = 0
    while len(sums) > 1:
        sums = _apply(_shift_table(level), sums[0::2]) ^ sums[1::2]
        level += 1
    return int(sums[0]) ^ _ONES


def masked_crc32c(data):
    """The checksum as LevelDB stores it, changed lest a file's checksum covers checksums."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & _ONES


def _one_by_one(data):
    table, crc = _byte_list(), _ONES
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ONES


@functools.cache
def _byte_table():
    """What one byte, 0 to 255, does to a checksum."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ (table & 1) * np.uint32(_POLYNOMIAL)
    return table


@functools.cache
def _byte_list():
    return _byte_table().tolist()


@functools.cache
def _shift_table(level):
    """4 x 256: what `_PART << level` zero bytes make of a checksum, for each of its bytes."""
    if level:
        half = _shift_table(level - 1)
        return _apply(half, half)
    sums = np.arange(256, dtype=np.uint32) << np.array([[0], [8], [16], [24]], np.uint32)
    for _ in range(_PART):
        sums = _byte_table()[sums & 0xFF] ^ (sums >> 8)
    return sums


def _apply(table, sums):
    return (
        table[0][sums & 0xFF]
        ^ table[1][(sums >> 8) & 0xFF]
        ^ table[2][(sums >> 16) & 0xFF]
        ^ table[3][sums >> 24]
    )
