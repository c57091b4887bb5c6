"""Archives and JSON that ask for much work, or hold what cannot be, end in our error at once."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import time
import zipfile

import pytest

from caffeformat import FormatError, InputError
from fcnkit.files import archives, members, parse_json, read_json


def taken(path):
    """The members of an archive and their sizes, read whole; and the seconds that took."""
    begun = time.process_time()
    found = {m.name: sum(map(len, m.read_chunks())) for m in members(path) if m.is_plain}
    return found, time.process_time() - begun


def tar(pax=None, size=3):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.txt")
        info.size, info.pax_headers = size, pax or {}
        archive.addfile(info, io.BytesIO(bytes(size)))
    return file.getvalue()


@pytest.mark.parametrize("form", ["16 k{:06}=xxxx\n", "5 a=\n"])
def test_pax_headers_of_many_records_are_refused(tmp_path, form):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        header = tarfile.TarInfo("pax")
        records = "".join(form.format(i) for i in range(1 << 16)).encode()
        header.type, header.size = tarfile.XHDTYPE, len(records)
        archive.addfile(header, io.BytesIO(records))
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO())
    (tmp_path / "a.tar").write_bytes(file.getvalue())
    with pytest.raises(FormatError, match=r"a\.tar: refused: the pax header .* 1000 records"):
        taken(tmp_path / "a.tar")


def test_pax_headers_take_time_in_proportion_to_their_size(tmp_path):
    values = {f"key{i}": "x" * 1100 for i in range(900)}
    (tmp_path / "a.tar").write_bytes(tar(values))
    found, seconds = taken(tmp_path / "a.tar")
    assert found == {"a.txt": 3} and seconds < 1


@pytest.mark.parametrize("value", ["9" * 5000, "-1", "1e3", "٣", "99999999999999999999"])
def test_impossible_sizes_in_pax_headers_are_refused(tmp_path, value):
    (tmp_path / "a.tar").write_bytes(tar({"size": value}))
    with pytest.raises(FormatError, match=r"a\.tar: .*size"):
        taken(tmp_path / "a.tar")


def test_a_size_of_the_whole_header_is_refused(tmp_path):
    header = bytearray(tar()[:512])
    header[124:136] = b"\x80" + b"\xff" * 11
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(FormatError, match="no size in the tar header"):
        taken(tmp_path / "a.tar")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pack"), [("a.gz", gzip.compress), ("a.bz2", bz2.compress), ("a.xz", lzma.compress)]
)
def test_many_small_members_take_time_in_proportion_to_their_size(tmp_path, name, pack):
    data = tar(size=30_000)
    step = 100 if name == "a.xz" else 10  # one member of the compressed file for so many bytes
    (tmp_path / name).write_bytes(
        b"".join(pack(data[i : i + step]) for i in range(0, len(data), step))
    )
    found, seconds = taken(tmp_path / name)
    assert found == {"a.txt": 30_000} and seconds < 10


@pytest.fixture
def small(monkeypatch):
    """Limits that small files reach."""
    monkeypatch.setattr(archives, "_EXPANSION_FROM", 1 << 20)


def test_a_bomb_of_bzip2_is_refused(tmp_path, small):
    (tmp_path / "a.tar.bz2").write_bytes(bz2.compress(tar(size=8 << 20)))
    with pytest.raises(FormatError, match=r"a\.tar\.bz2: refused: it claims .* expected at most"):
        taken(tmp_path / "a.tar.bz2")


def test_xz_that_asks_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_XZ_MEMORY", 1 << 20)
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(tar(), preset=6))
    with pytest.raises(FormatError, match=r"a\.tar\.xz: .*[Mm]emory"):
        taken(tmp_path / "a.tar.xz")


def test_streams_of_xz_may_be_padded(tmp_path):
    half = len(tar()) // 2
    parts = [lzma.compress(part) for part in (tar()[:half], tar()[half:])]
    (tmp_path / "a.tar.xz").write_bytes(bytes(8).join(parts) + bytes(4))
    assert taken(tmp_path / "a.tar.xz")[0] == {"a.txt": 3}
    (tmp_path / "b.tar.xz").write_bytes(lzma.compress(tar(size=5000))[:100])
    with pytest.raises(FormatError, match="truncated"):
        taken(tmp_path / "b.tar.xz")


def test_zips_that_lie_are_refused(tmp_path, small):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", bytes(6 << 20))
    with pytest.raises(FormatError, match=r"a\.zip: a: refused: it claims"):
        taken(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        info = zipfile.ZipInfo("a")
        info.filename = ""
        archive.writestr(info, b"nothing")
    with pytest.raises(FormatError, match="a member without a name"):
        taken(path)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", bytes(9000))
        archive.writestr("b", b"b")
        archive.filelist[1].header_offset = archive.filelist[0].header_offset
        archive.filelist[1].compress_size = archive.filelist[1].file_size = 9000
    path.write_bytes(file.getvalue())
    with pytest.raises(FormatError, match="overlap"):
        taken(path)


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (97, "method 97")])
def test_zips_packed_in_other_ways_say_so(tmp_path, method, name):
    path, file = tmp_path / "a.zip", io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"some text " * 500)
    data = bytearray(file.getvalue())
    data[8], data[data.index(b"PK\1\2") + 10] = method, method
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"a\.zip: a\.png is packed with {name}.*pass the folder"):
        taken(path)


def test_damaged_lzma_in_a_zip_names_the_archive(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", b"some text " * 500)
    data = bytearray(path.read_bytes())
    data[45:60] = bytes(range(200, 215))
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.zip"):
        taken(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 100_000 + "}", "digits"),
        ("{'a': 1}", "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_json_that_cannot_be_read_names_its_file(tmp_path, text, words):
    (tmp_path / "info.json").write_text(text)
    with pytest.raises(FormatError, match=rf"info\.json: is not JSON .*{words}|{words}"):
        read_json(tmp_path / "info.json")


def test_json_is_bounded_and_utf_8(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "a.json") == [1] == parse_json("[1]", "a")
    with pytest.raises(InputError, match="expected at most 3"):
        read_json(tmp_path / "a.json", 3)
    (tmp_path / "a.json").write_bytes(b'"\xff"')
    with pytest.raises(FormatError, match="utf-8"):
        read_json(tmp_path / "a.json")
    with pytest.raises(FormatError, match=r"layer x: is not JSON"):
        parse_json(json.dumps({"a": 1})[:-1], "layer x")
