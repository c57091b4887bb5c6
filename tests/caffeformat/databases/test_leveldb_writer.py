"""LevelDBs written here: checksums, records across blocks, and nothing half-written."""

import errno
import random

import pytest

from caffeformat import InputError, open_database
from caffeformat.databases import LevelDbWriter
from caffeformat.databases.crc32c import crc32c, masked_crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),  # RFC 3720, B.4
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums_are_those_of_the_standard(data, checksum):
    assert crc32c(data) == checksum


@pytest.mark.parametrize("size", [255, 256, 257, 4095, 32761])
def test_checksums_in_parts_are_those_byte_by_byte(size):
    data = random.Random(size).getrandbits(8 * size).to_bytes(size, "little")
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c(data) == crc ^ 0xFFFFFFFF


def test_stored_checksums_are_masked():
    assert masked_crc32c(b"") == 0xA282EAD8  # a checksum of zero
    assert masked_crc32c(b"123456789") != crc32c(b"123456789")


@pytest.mark.parametrize("sizes", [[0], [32768 - 7], [32740, 1, 2], [100_000, 5], [10] * 2500])
def test_what_is_written_is_read(tmp_path, sizes):
    pairs = [(b"%08d" % index, bytes([index % 256]) * size) for index, size in enumerate(sizes)]
    with LevelDbWriter(tmp_path / "db") as writer:
        for key, value in reversed(pairs):
            writer.put(key, value)
        assert len(writer) == len(pairs)
        assert not (tmp_path / "db").exists()
    with open_database(tmp_path / "db", "LEVELDB") as reader:
        assert list(reader.items()) == pairs


def test_failure_leaves_nothing_and_a_database_that_is_there_stays(tmp_path):
    with pytest.raises(KeyError), LevelDbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with LevelDbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    with pytest.raises(InputError, match="already exists"):
        LevelDbWriter(tmp_path / "db")
    with open_database(tmp_path / "db", "LEVELDB") as reader:
        assert reader.get(b"a") == b"1"


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"), LevelDbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    assert list(tmp_path.iterdir()) == []
