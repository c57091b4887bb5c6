"""The files of folders: as deep as they lie, and never fewer than there are."""

import bz2
import gzip
import io
import lzma
import os
import tarfile

import pytest

from caffeformat import InputError
from fcnkit.files import members


def names(folder):
    return [member.name for member in members(folder)]


def test_files_lie_as_deep_as_they_like(tmp_path):
    # As in SUN RGB-D, below a folder of its own
    place = tmp_path / "data/SUNRGBD/xtion/sun3ddata/brown/brown/0000/image"
    place.mkdir(parents=True)
    (place / "0000.jpg").write_text("x")
    assert names(tmp_path) == ["data/SUNRGBD/xtion/sun3ddata/brown/brown/0000/image/0000.jpg"]


def test_what_lies_too_deep_is_an_error(tmp_path):
    place = tmp_path.joinpath(*"x" * 40)
    place.mkdir(parents=True)
    (place / "a.png").write_text("x")
    with pytest.raises(InputError, match=r"below more than 32 folders .*pass a folder nearer"):
        names(tmp_path)


def test_links_are_followed_and_end(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    os.symlink(tmp_path / "b", tmp_path / "a" / "to_b")
    os.symlink(tmp_path / "a", tmp_path / "b" / "to_a")
    assert names(tmp_path / "a") == ["file", "to_b/file"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_whose_last_file_ends_early_is_truncated_whoever_reads_it(tmp_path, compress):
    """Also for who only lists it, and so skips what the files hold."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name in ("a", "b"):
            info = tarfile.TarInfo(name)
            info.size = 1000
            tar.addfile(info, io.BytesIO(bytes(1000)))
    path = tmp_path / "a.tar"
    end = 2 * (512 + 1024)  # of both files, with what fills their blocks
    path.write_bytes(compress(whole.getvalue()[: end - 24]))
    assert names(path) == ["a", "b"]
    path.write_bytes(compress(whole.getvalue()[: end - 25]))
    with pytest.raises(InputError, match=r"a\.tar: the archive is truncated .*b ends early"):
        names(path)
