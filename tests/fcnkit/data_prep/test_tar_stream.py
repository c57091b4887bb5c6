"""Tars as Python's tarfile writes them are read alike, damaged ones are refused."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffeformat import FormatError
from fcnkit.files.tar_stream import tar_entries

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
LONG = "/".join(["folder with a long name " + "x" * 40] * 6) + "/" + "y" * 120 + ".jpg"


def tar_bytes(entries, form, **options):
    """A tar of (name, content) pairs."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, **options) as tar:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def read_all(data):
    """(name, content) of every plain entry, in order."""
    file = io.BytesIO(data)
    return [(name, file.read(size)) for name, size, plain in tar_entries(file, "tar") if plain]


@pytest.mark.parametrize("form", FORMATS)
def test_entries_come_back_in_each_format(form):
    entries = [
        ("a.txt", b""),
        ("b/" + "n" * 90, b"x" * 512),
        ("c" * 60 + "/" + "d" * 60, b"y" * 700),
    ]
    assert read_all(tar_bytes(entries, form)) == entries


@pytest.mark.parametrize("form", FORMATS[1:])
def test_long_and_foreign_names_come_back(form):
    entries = [(LONG, b"one"), ("na\u00efve/\u4e2d\u6587.jpg", b"two"), ("last", b"three")]
    assert read_all(tar_bytes(entries, form)) == entries


@settings(max_examples=60, deadline=None)
@given(
    entries=st.lists(
        st.tuples(st.text("abc/\u00e4", min_size=1, max_size=300), st.binary(max_size=1500)),
        max_size=5,
    ),
    form=st.sampled_from(FORMATS[1:]),
)
def test_any_entries_are_read_as_tarfile_reads_them(entries, form):
    data = tar_bytes(entries, form)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        expected = [(info.size, tar.extractfile(info).read()) for info in tar if info.isreg()]
    found = read_all(data)
    assert [(len(content), content) for _, content in found] == expected
    assert [name.strip("/") for name, _ in found] == [name.strip("/") for name, _ in entries]


def test_global_pax_headers_and_sizes_in_pax_records_are_understood():
    entries = [("a", b"one"), ("b", b"two")]
    data = tar_bytes(entries, tarfile.PAX_FORMAT, pax_headers={"comment": "hello"})
    assert read_all(data) == entries
    info = tarfile.TarInfo("large")
    info.size = 1 << 34  # more than octal digits can say; only the header is written
    for form in FORMATS[1:]:
        header = info.tobuf(form)
        assert [entry[:2] for entry in tar_entries(io.BytesIO(header), "tar")] == [
            ("large", 1 << 34)
        ]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE]
)
def test_what_is_no_file_is_reported_and_has_no_content(kind):
    info = tarfile.TarInfo("thing")
    info.type, info.linkname, info.size = kind, "elsewhere", 0
    data = info.tobuf(tarfile.GNU_FORMAT) + tar_bytes([("next", b"content")], tarfile.GNU_FORMAT)
    entries = list(tar_entries(io.BytesIO(data), "tar"))
    assert entries == [("thing", 0, False), ("next", 7, True)]


def test_folders_are_left_out():
    info = tarfile.TarInfo("folder")
    info.type = tarfile.DIRTYPE
    data = info.tobuf() + tar_bytes([("folder/file", b"x")], tarfile.GNU_FORMAT)
    assert [entry[0] for entry in tar_entries(io.BytesIO(data), "tar")] == ["folder/file"]


def test_sparse_files_are_not_plain():
    header = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = b"S"
    header[482] = 1  # the map goes on in another block, which is the last
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = bytes(header) + bytes(512) + tar_bytes([("next", b"x")], tarfile.GNU_FORMAT)
    assert list(tar_entries(io.BytesIO(data), "tar")) == [("sparse", 0, False), ("next", 1, True)]


def test_every_flipped_bit_of_a_header_is_found_or_harmless():
    data = tar_bytes([("name.jpg", b"content")], tarfile.USTAR_FORMAT)
    found = 0
    for place in range(512):
        broken = bytearray(data)
        broken[place] ^= 1
        try:
            list(tar_entries(io.BytesIO(bytes(broken)), "tar"))
        except FormatError:
            found += 1
    assert found >= 510


def test_an_extended_header_may_not_fill_the_memory():
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    with pytest.raises(FormatError, match="8589934592 bytes"):
        list(tar_entries(io.BytesIO(info.tobuf(tarfile.GNU_FORMAT)), "tar"))


@pytest.mark.parametrize(
    "records", [b"5 path=x\n", b"11 path=name", b"nonsense\n", b"9 size=x\n", b"\0"]
)
def test_damaged_pax_records_are_refused(records):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    data = info.tobuf() + records.ljust(512, b"\0") + tar_bytes([("a", b"")], tarfile.USTAR_FORMAT)
    with pytest.raises(FormatError, match=r"damaged|invalid size"):
        list(tar_entries(io.BytesIO(data), "tar"))
