"""One environment per LMDB and process, whoever opens it: this package or the DIGITS plug-in."""

import os
import sys
import threading

import pytest
from places import REPO

from caffeformat import InputError, LmdbWriter, open_database


@pytest.fixture
def label_db(monkeypatch):
    """The plug-in's reader of LMDBs; the plug-in's own tests find their modules as they were."""
    before = _plugin()
    monkeypatch.syspath_prepend(str(REPO / "digits_plugin"))
    from digits_fcn import label_db

    yield label_db
    for name in _plugin().keys() - before.keys():
        del sys.modules[name]


def _plugin():
    """{name: module} of what is loaded of the plug-in."""
    return {n: module for n, module in sys.modules.items() if n.split(".")[0] == "digits_fcn"}


@pytest.fixture
def database(tmp_path):
    with LmdbWriter(tmp_path / "db") as writer:
        writer.put(b"a", b"1")
    return str(tmp_path / "db")


def is_open(path):
    """Whether the process has the database open; other tests may have others."""
    import lmdb

    data = os.stat(os.path.join(path, "data.mdb"))
    return (data.st_dev, data.st_ino) in vars(lmdb)["fcnkit_environments"][1]


def test_both_read_one_database_in_any_order(label_db, database, tmp_path):
    os.symlink("db", tmp_path / "link")
    with open_database(database) as ours:
        assert (
            label_db.value(database, b"a") == label_db.value(str(tmp_path / "link"), b"a") == b"1"
        )
        assert ours.get(b"a") == b"1"
    with label_db._Opened(database):
        theirs = open_database(tmp_path / "link")
        assert theirs.get(b"a") == b"1" and is_open(database)
    assert theirs.get(b"a") == b"1"  # still open here, though opened there
    theirs.close()
    assert not is_open(database)


def test_threads_share_it(label_db, database):
    found = []

    def read():
        for _ in range(50):
            with open_database(database) as ours:
                found.append(ours.get(b"a"))
            found.append(label_db.value(database, b"a"))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"1"] * 400 and not is_open(database)


def test_a_database_that_was_replaced_meanwhile_is_another_one(database):
    with open_database(database) as old:
        with LmdbWriter(database, overwrite=True) as writer:
            writer.put(b"a", b"2")
        with open_database(database) as new:
            assert (old.get(b"a"), new.get(b"a")) == (b"1", b"2")


def test_pipes_in_the_place_of_its_files_are_refused(tmp_path):
    (tmp_path / "db").mkdir()
    os.mkfifo(tmp_path / "db" / "data.mdb")
    with pytest.raises(InputError, match="is a pipe"):
        open_database(tmp_path / "db")
    (tmp_path / "level").mkdir()
    os.mkfifo(tmp_path / "level" / "CURRENT")
    with pytest.raises(InputError, match="is a pipe"):
        open_database(tmp_path / "level", "LEVELDB")
