"""The files of folders: as deep as they lie, and never fewer than there are."""

import os

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
