"""Damaged pages of an LMDB are found before liblmdb follows them."""

import os
import struct

import numpy as np
import pytest

from caffeformat import FormatError, LmdbWriter, open_database
from caffeformat.databases import lmdb_pages

PAGE = 4096


@pytest.fixture
def folder(tmp_path):
    """An LMDB of two levels, with values in the pages of their keys and on pages of their own."""
    with LmdbWriter(tmp_path / "db") as database:
        for i in range(400):
            database.put(b"%05d_key" % i, bytes(20_000 if i % 40 == 0 else i % 300))
    return tmp_path / "db"


def pages(folder):
    return np.fromfile(folder / "data.mdb", np.uint8).reshape(-1, PAGE)


def of_kind(content, flag):
    return [i for i, page in enumerate(content) if page[10] == flag and i > 1]


def change(folder, page, at, form, value):
    with open(folder / "data.mdb", "r+b") as file:
        file.seek(page * PAGE + at)
        file.write(struct.pack(form, value))
    os.utime(folder / "data.mdb", ns=(0, 0))


def entry(content, page, number):
    """Where an entry of a page begins in it."""
    return int(content[page].view("<u2")[8 + number])


def refused(folder, words):
    with pytest.raises(FormatError, match=words) as caught:
        open_database(folder)
    assert str(folder) in str(caught.value)


def test_whole_databases_are_read(folder):
    with open_database(folder) as database:
        assert len(database) == 400 == len(list(database.items()))


def test_a_value_outside_the_file_is_found(folder):
    content = pages(folder)
    for leaf in of_kind(content, 2):
        for number in range((int(content[leaf].view("<u2")[6]) - 16) // 2):
            at = entry(content, leaf, number)
            if content[leaf][at + 4] & 1:  # its value has pages of its own
                change(folder, leaf, at + 8 + 9, "<Q", 1 << 40)
                return refused(folder, "outside the file")
    raise AssertionError("no such entry")


@pytest.mark.parametrize("value", [0, 1, 1 << 30])
def test_a_page_outside_the_file_or_of_another_kind_is_found(folder, value):
    (branch,) = of_kind(pages(folder), 1)
    change(folder, branch, entry(pages(folder), branch, 1), "<I", value)
    refused(folder, "outside the file|another kind")


def test_two_entries_of_one_page_are_found(folder):
    content = pages(folder)
    (branch,) = of_kind(content, 1)
    first = struct.unpack_from("<I", content[branch], entry(content, branch, 0))[0]
    change(folder, branch, entry(content, branch, 1), "<I", first)
    refused(folder, "refer to the same one")


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (10, "<H", 0x22, "another kind"),  # flags: keys of one size
        (12, "<H", 5000, "impossible number"),  # where the list of entries ends
        (12, "<H", 16, "impossible number"),
        (16, "<H", 4094, "outside itself"),  # the first entry's place
        (16, "<H", 17, "outside itself"),
    ],
)
def test_damaged_headers_of_pages_are_found(folder, at, form, value, words):
    change(folder, of_kind(pages(folder), 2)[0], at, form, value)
    refused(folder, words)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, 0xFFFF, "ends outside"),  # the value's size
        (4, 4, "never have"),  # flags: several values of one key
        (6, 0xFFFF, "ends outside"),  # the key's size
        (6, 0, "never have"),
    ],
)
def test_damaged_entries_are_found(folder, at, value, words):
    content = pages(folder)
    leaf = of_kind(content, 2)[1]
    change(folder, leaf, entry(content, leaf, 2) + at, "<H", value)
    refused(folder, words)


def test_keys_out_of_order_are_found(folder):
    content = pages(folder)
    leaf = of_kind(content, 2)[0]
    change(folder, leaf, entry(content, leaf, 1) + 8, "<B", ord("9"))
    refused(folder, "out of order")


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (16, "<I", 5, "two meta pages"),  # magic
        (20, "<I", 2, "two meta pages"),  # version
        (40, "<I", 0, "pages of 0 bytes"),
        (40, "<I", 4097, "pages of 4097 bytes"),
        (88 + 4, "<H", 4, "settings"),  # several values of one key
        (88 + 6, "<H", 99, "99 levels"),
        (88 + 32, "<Q", 7, "of its 7 entries"),
        (88 + 40, "<Q", 1 << 50, "outside the file"),  # root
        (136, "<Q", 1 << 40, "truncated"),  # last page
    ],
)
def test_damaged_meta_pages_are_found(folder, at, form, value, words):
    for meta in (0, 1):
        change(folder, meta, at, form, value)
    refused(folder, words)


def test_a_file_that_was_found_right_is_not_checked_again(folder, monkeypatch):
    open_database(folder).close()
    monkeypatch.setattr(lmdb_pages, "_Pages", None)
    open_database(folder).close()
    change(folder, 1, 2000, "<B", 1)
    with pytest.raises(TypeError):
        open_database(folder)
