"""LMDB and LevelDB read as Caffe wrote them; LMDBs appear whole or not at all."""

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from own_processes import run_killed
from PIL import Image

from caffeformat import InputError, LmdbWriter, datum_to_array, open_database, pb

NAMES = [f"0000000{i}_{i}.png".encode() for i in range(6)]


@pytest.mark.parametrize(
    "folder, backend", [("lmdb_raw_resized", "LMDB"), ("leveldb_raw", "LEVELDB")]
)
def test_caffes_databases(golden_files, folder, backend):
    with open_database(golden_files / folder, backend) as database:
        assert len(database) == 6 and list(database.keys()) == NAMES
        items = list(database.items())
        assert [key for key, _ in items] == NAMES
        assert all(database.get(key) == value for key, value in items)
        assert database.get(b"none") is None
    datums = [pb.Datum.FromString(value) for _, value in items]
    assert [datum.label for datum in datums] == [0, 1, 2, 0, 1, 2]
    assert {datum_to_array(datum).shape for datum in datums} == {(3, 16, 20)}


def test_encoded_images_are_the_ones_that_went_in(golden_files):
    with open_database(golden_files / "lmdb_encoded_png") as database:
        for i, (_, value) in enumerate(database.items()):
            pixels = np.asarray(Image.open(golden_files / "images" / f"{i}.png"))
            decoded = datum_to_array(pb.Datum.FromString(value))
            np.testing.assert_array_equal(decoded[::-1].transpose(1, 2, 0), pixels)


def test_reading_leaves_no_trace(golden_files):
    before = sorted((golden_files / "lmdb_gray").iterdir())
    with open_database(golden_files / "lmdb_gray") as database:
        database.get(NAMES[0])
    assert sorted((golden_files / "lmdb_gray").iterdir()) == before


def test_one_database_opened_twice(golden_files):
    first = open_database(golden_files / "lmdb_gray")
    second = open_database(golden_files / "lmdb_gray")
    first.close()
    first.close()
    assert len(list(second.items())) == 6
    second.close()


def test_a_replaced_database_is_opened_anew(tmp_path):
    for value in (b"old", b"new"):
        with LmdbWriter(tmp_path / "db", overwrite=True) as writer:
            writer.put(b"a", value)
        database = open_database(tmp_path / "db")  # the first is still open when the second comes
        assert database.get(b"a") == value


def _read_in_child(database, results):
    results.send([database.get(NAMES[0]), list(database.keys())])


def test_a_forked_process_can_read_on(golden_files):
    fork = multiprocessing.get_context("fork")
    with open_database(golden_files / "lmdb_gray") as database:
        results, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=_read_in_child, args=(database, sender))
        child.start()
        assert results.recv() == [database.get(NAMES[0]), NAMES]
        child.join()


def test_leveldb_with_tables_levels_compression_and_deletions(golden_files):
    expected = {}
    for r in range(4):
        for i in range(200):
            if r == 2 and i % 7 == 0:
                expected.pop(b"%08d" % i, None)
            elif (i + r) % 2 == 0:
                value = b"%d round %d " % (i, r) * (1 + i % 5) + hashlib.sha1(b"%d" % i).digest()
                expected[b"%08d" % i] = value
    with open_database(golden_files.parent / "leveldb_tables", "LEVELDB") as database:
        assert dict(database.items()) == expected and len(database) == len(expected)
        assert list(database.keys()) == sorted(expected)
        assert all(database.get(b"%08d" % i) == expected.get(b"%08d" % i) for i in range(201))


@pytest.fixture
def leveldb(golden_files, tmp_path):
    return shutil.copytree(golden_files.parent / "leveldb_tables", tmp_path / "leveldb")


@pytest.mark.parametrize("name", ["000005.ldb", "000012.ldb", "000013.log", "MANIFEST-000011"])
@pytest.mark.parametrize("size", [1, 60, 120])
def test_truncated_leveldb(leveldb, name, size):
    content = (leveldb / name).read_bytes()
    (leveldb / name).write_bytes(content[:size])
    with pytest.raises(InputError):
        list(open_database(leveldb, "LEVELDB").items())


@pytest.mark.parametrize("rounds", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_damaged_leveldb_blocks_end_in_our_error(leveldb, rounds):
    rng = np.random.RandomState(0)
    for name in ("000005.ldb", "000012.ldb", "000013.log", "MANIFEST-000011"):
        whole = (leveldb / name).read_bytes()
        for _ in range(rounds):
            damaged = bytearray(whole)
            damaged[rng.randint(len(whole))] = rng.randint(256)
            (leveldb / name).write_bytes(damaged)
            try:
                list(open_database(leveldb, "LEVELDB").items())
            except InputError as error:
                assert "leveldb" in str(error) or name in str(error)
        (leveldb / name).write_bytes(whole)


HOLD_LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_leveldb_that_another_program_has_open(leveldb):
    command = [sys.executable, "-c", HOLD_LOCK, str(leveldb / "LOCK")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(InputError, match="locked by another program"):
            open_database(leveldb, "LEVELDB")
        holder.communicate()
    open_database(leveldb, "LEVELDB").close()


def test_missing_and_mistaken_databases(golden_files, tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for path, backend, words in [
        (tmp_path / "none", "LMDB", "no such database"),
        (tmp_path / "file", "LMDB", "a database is a folder"),
        (tmp_path / "folder", "LMDB", "it has no data.mdb"),
        (golden_files / "leveldb_raw", "LMDB", "it is a LEVELDB"),
        (golden_files / "lmdb_gray", "LEVELDB", "it is a LMDB"),
        (golden_files / "lmdb_gray", "HDF5", "neither LMDB nor LEVELDB"),
    ]:
        with pytest.raises(InputError, match=words):
            open_database(path, backend)


HOLD_READER = """
import lmdb, sys
transaction = lmdb.open(sys.argv[1], max_readers=1).begin()
print("reading", flush=True)
sys.stdin.read()
"""


def test_an_lmdb_whose_lock_other_programs_fill(tmp_path):
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    command = [sys.executable, "-c", HOLD_READER, str(tmp_path / "db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"reading\n"
        with pytest.raises(InputError, match="locked by other programs"):
            open_database(tmp_path / "db")
        reader.communicate()
    assert open_database(tmp_path / "db").get(b"a") == b"1"


def test_an_lmdb_whose_pages_are_damaged(golden_files, tmp_path):
    whole = bytearray((golden_files / "lmdb_gray" / "data.mdb").read_bytes())
    page = int.from_bytes(whole[10 + 4096 : 12 + 4096], "little")
    assert page & 8  # a meta page; the tree's only page comes after the two of them
    whole[2 * 4096 + 10] = 0  # it no longer says that it is a leaf
    (tmp_path / "data.mdb").write_bytes(whole)
    with pytest.raises(InputError, match="cannot be read as an LMDB"):
        list(open_database(tmp_path).items())


def test_an_empty_lmdb(tmp_path):
    LmdbWriter(tmp_path / "db").close()
    with pytest.raises(InputError, match="empty"):
        open_database(tmp_path / "db")


@pytest.mark.parametrize("size", [0, 100, 4096, 8192, 16384])
def test_a_truncated_lmdb(golden_files, tmp_path, size):
    whole = (golden_files / "lmdb_raw_resized" / "data.mdb").read_bytes()
    (tmp_path / "data.mdb").write_bytes(whole[:size])
    with pytest.raises(InputError, match=str(tmp_path)):
        open_database(tmp_path)


def _pairs(count=300, size=700):
    rng = np.random.RandomState(0)
    return [(b"%05d" % i, rng.bytes(size)) for i in range(count)]


@pytest.mark.parametrize("reverse", [False, True])
def test_a_written_lmdb_grows_and_reads_back_in_order(tmp_path, reverse):
    pairs = _pairs()
    with LmdbWriter(tmp_path / "db", map_size=1 << 16) as writer:
        for key, value in reversed(pairs) if reverse else pairs:
            writer.put(key, value)
    with open_database(tmp_path / "db") as database:
        assert list(database.items()) == pairs
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["data.mdb"]


def test_the_same_pairs_give_the_same_bytes(tmp_path):
    for name in "ab":
        with LmdbWriter(tmp_path / name) as writer:
            for pair in _pairs():
                writer.put(*pair)
    assert (tmp_path / "a/data.mdb").read_bytes() == (tmp_path / "b/data.mdb").read_bytes()


def test_nothing_appears_when_writing_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_kept_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "precious").write_text("x")
    with pytest.raises(InputError, match="already exists"):
        LmdbWriter(tmp_path / "db")
    with pytest.raises(KeyError), LmdbWriter(tmp_path / "db", overwrite=True) as writer:
        raise KeyError
    assert (tmp_path / "db" / "precious").read_text() == "x"
    with LmdbWriter(tmp_path / "db", overwrite=True) as writer:
        writer.put(b"a", b"1")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["data.mdb", "db"]


def test_what_a_killed_run_left_is_cleared_away(tmp_path):
    program = (
        "import os, sys; from caffeformat import LmdbWriter;"
        "writer = LmdbWriter(sys.argv[1]); writer.put(b'a', b'half'); os.kill(os.getpid(), 9)"
    )
    run_killed(program, tmp_path / "db")
    assert len(os.listdir(tmp_path)) == 2  # what it wrote, and its lock
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    assert len(open_database(tmp_path / "db")) == 1
    assert os.listdir(tmp_path) == ["db"]


def test_folders_of_temporary_looking_names_are_left_alone(tmp_path):
    for name in ("db.partial", "db.replaced", ".db.0123456789abcdef.fcnkit-folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis").touch()
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    assert len(list(tmp_path.glob("*/thesis")) + list(tmp_path.glob(".*/thesis"))) >= 3


@pytest.mark.parametrize("key", [b"", b"k" * 512])
def test_keys_that_lmdb_cannot_hold(tmp_path, key):
    with pytest.raises(InputError, match="1 to 511"), LmdbWriter(tmp_path / "db") as writer:
        writer.put(key, b"")


def test_a_key_that_comes_twice(tmp_path):
    with pytest.raises(InputError, match="b'a' comes twice"), LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
        writer.put(b"a", b"2")
    assert not list(tmp_path.iterdir())
