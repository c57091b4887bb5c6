"""LevelDBs put together piece by piece: which entry counts, and what is said of each damaged part.

Their files hold what LevelDB's format documents describe; checksums are zero, as nobody reads them.
"""

import pytest

from caffeformat import FormatError, open_database

FULL, FIRST, LAST = 1, 2, 4
MAGIC = bytes.fromhex("57fb808b247547db")
PUT, DELETED = 1, 0


def varint(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def string(data):
    return varint(len(data)) + data


def record(data, kind=FULL):
    return bytes(4) + len(data).to_bytes(2, "little") + bytes([kind]) + data


def batch(sequence, *entries):
    """A log's record of (key, value) to put, and (key, None) to delete."""
    found = sequence.to_bytes(8, "little") + len(entries).to_bytes(4, "little")
    for key, value in entries:
        kind = DELETED if value is None else PUT
        found += bytes([kind]) + string(key) + (b"" if value is None else string(value))
    return found


def inner(key, sequence, kind=PUT):
    return key + (sequence << 8 | kind).to_bytes(8, "little")


def block(*entries, restarts=1):
    data = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries
    )
    return data + bytes(4) + restarts.to_bytes(4, "little")


def table(data, compression=0, size=None, magic=MAGIC):
    """A table of one block; `size`: what the index says of it."""
    trailer = bytes([compression]) + bytes(4)
    handle = varint(0) + varint(len(data) if size is None else size)
    index = block((inner(b"zz", 1), handle))
    footer = varint(0) + varint(0) + varint(len(data) + 5) + varint(len(index))
    return data + trailer + index + bytes(5) + footer.ljust(40, b"\0") + magic


def manifest(*fields, log=3):
    return record(b"\x02" + varint(log) + b"".join(fields))


def of_table(number, size=0, level=0, last=b"zz"):
    keys = string(inner(b"", 1)) + string(inner(last, 1))
    return b"\x07" + varint(level) + varint(number) + varint(size) + keys


@pytest.fixture
def database(tmp_path):
    """Writes a LevelDB of the files given and opens it."""

    def make(files, current=b"MANIFEST-000002\n"):
        (tmp_path / "CURRENT").write_bytes(current)
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return open_database(tmp_path, "LEVELDB")

    return make


def one_table(content, size=0):
    return {"MANIFEST-000002": manifest(of_table(5, size)), "000005.ldb": content}


def test_the_newest_entry_of_a_key_counts_wherever_it_lies(database):
    older = block((inner(b"a", 1), b"old"), (inner(b"b", 2), b"kept"), (inner(b"c", 3), b"gone"))
    files = {
        **one_table(table(older)),
        "000003.log": record(batch(7, (b"a", b"new"), (b"c", None), (b"d", b"added"))),
    }
    with database(files) as found:
        assert list(found.items()) == [(b"a", b"new"), (b"b", b"kept"), (b"d", b"added")]
        assert [found.get(key) for key in (b"a", b"b", b"c", b"x")] == [b"new", b"kept", None, None]
        assert len(found) == 3


def test_logs_that_were_sorted_into_tables_are_left_alone(database):
    logs = {
        f"{number:06}.log": record(batch(number, (b"%d" % number, b"v"))) for number in (1, 2, 3, 4)
    }
    with database({"MANIFEST-000002": manifest(b"\x09" + varint(1)), **logs}) as found:
        assert list(found.keys()) == [b"1", b"3", b"4"]  # 1 by name; those from 3 on are live


def test_a_table_that_a_later_version_drops_is_not_read(database):
    dropped = b"\x06" + varint(0) + varint(5)
    files = {
        "MANIFEST-000002": manifest(of_table(5)) + manifest(dropped),
        "000003.log": record(batch(1, (b"a", b"1"))),
    }
    with database(files) as found:
        assert list(found.items()) == [(b"a", b"1")]


@pytest.mark.parametrize(
    ("current", "files", "words"),
    [
        (b"../secret", {}, "CURRENT names '../secret', which is not a manifest"),
        (b"MANIFEST-000002", {}, "MANIFEST-000002: is missing"),
        (b"MANIFEST-000002", {"MANIFEST-000002": b""}, "MANIFEST-000002 is empty or damaged"),
        (b"MANIFEST-000002", {"MANIFEST-000002": manifest(b"\x08")}, "has the unknown tag 8"),
        (b"MANIFEST-000002", {"MANIFEST-000002": manifest(of_table(5))}, "table 000005.ldb is mis"),
        (
            b"MANIFEST-000002",
            {"MANIFEST-000002": manifest(b"\x09" + b"\xff" * 10)},
            "a number of more than 10 bytes",
        ),
        (
            b"MANIFEST-000002",
            {"MANIFEST-000002": record(b"\x02\x03", LAST)},
            "pieces of a record are missing",
        ),
        (
            b"MANIFEST-000002",
            {"MANIFEST-000002": record(b"\x02\x03", FIRST)},
            "ends in the middle of a record",
        ),
        (
            b"MANIFEST-000002",
            {"MANIFEST-000002": manifest() + b"\x01\x02\x03"},
            "ends in the middle of a record",
        ),
        (
            b"MANIFEST-000002",
            {"MANIFEST-000002": manifest(), "000003.log": record(batch(1, (b"a", b"1"))[:-1])},
            "000003.log: ends in the middle of an entry",
        ),
    ],
)
def test_a_damaged_list_of_files_is_refused_when_it_is_opened(database, current, files, words):
    with pytest.raises(FormatError, match=words):
        database(files, current)


GOOD = block((inner(b"a", 1), b"1"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table(GOOD, magic=b"notmagic"), "does not end as a LevelDB table"),
        (table(GOOD, size=5000), "a block at 0 reaches past the end of the file"),
        (table(GOOD, compression=9), r"compressed in an unknown way \(9\)"),
        (table(GOOD, compression=1), "000005.ldb: block at byte 0: "),  # it is no Snappy
        (table(block((inner(b"a", 1), b"1"), restarts=1000)), "block at byte 0 is damaged"),
        (table(block((b"short", b"1"))), "a key without its sequence number"),
        (table(block((b"k" * 70_000, b"1"))), "a key of 70000 bytes: damaged"),
    ],
)
def test_a_damaged_table_is_refused_when_it_is_read(database, content, words):
    with pytest.raises(FormatError, match=words), database(one_table(content)) as found:
        list(found.items())


def test_a_truncated_table_is_refused_at_once(database):
    whole = table(GOOD)
    with pytest.raises(FormatError, match=f"has 60 of its {len(whole)} bytes: truncated"):
        database(one_table(whole[:60], len(whole)))
