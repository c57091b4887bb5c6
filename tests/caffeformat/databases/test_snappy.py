"""Snappy's blocks: every kind of element, and blocks that lie about their size."""

import pytest

from caffeformat.databases.snappy import decompress

LETTERS = bytes(range(97, 123))


def literal(data):
    """A literal with its length in the tag, or behind the tag where it has more than 60 bytes."""
    length = len(data) - 1
    if length < 60:
        return bytes([length << 2]) + data
    size = 1 if length < 256 else 2
    return bytes([59 + size << 2]) + length.to_bytes(size, "little") + data


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        (literal(b"abc"), b"abc"),
        (literal(LETTERS * 3), LETTERS * 3),  # its length is in the byte behind the tag
        (literal(LETTERS * 20), LETTERS * 20),  # in two bytes
        (literal(b"abcd") + bytes([0b00000001, 4]), b"abcdabcd"),  # 4 bytes from 4 bytes back
        (literal(b"ab") + bytes([0b00010101, 2]), b"ab" + b"ab" * 4 + b"a"),  # 9: repeated
        (literal(b"abcd") + bytes([2 << 2 | 2, 3, 0]), b"abcdbcd"),  # an offset of two bytes
        (literal(b"abcd") + bytes([1 << 2 | 3, 4, 0, 0, 0]), b"abcdab"),  # and of four
    ],
)
def test_literals_and_copies(elements, expected):
    size = len(expected)
    varint = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    assert decompress(varint + elements) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends too early"),
        (b"\xff", "ends too early"),
        (b"\x08" + literal(b"abcd") + b"\x01", "ends too early"),
        (b"\xff\xff\x7f" + literal(b"a"), "5 compressed bytes claim to be 2097151"),
        (b"\x05" + literal(b"a") + bytes([0b00000001, 2]), "a copy from before the beginning"),
        (b"\x05" + literal(b"a") + bytes([0b00000001, 0]), "a copy from before the beginning"),
        (b"\x09" + literal(b"abcd"), "makes 4 bytes, not 9"),
        (b"\x05" + literal(b"abcd") + bytes([0b00000001, 4]), "makes 4 bytes, not 5"),
    ],
)
def test_damaged_blocks_are_refused(data, words):
    with pytest.raises(ValueError, match=words):
        decompress(data)
