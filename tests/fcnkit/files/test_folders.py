"""Output folders: complete or absent, never in the way of what others put there meanwhile."""

import os

import pytest

from caffeformat import InputError
from fcnkit.files import output_folder


def write(path, name="new", **settings):
    with output_folder(path, **settings) as folder, open(os.path.join(folder, name), "w") as file:
        file.write("new")


def test_what_appears_meanwhile_stays(tmp_path):
    out = tmp_path / "out"
    refused = pytest.raises(InputError, match="cannot be put in place: Directory not empty")
    with refused, output_folder(out) as folder:
        open(os.path.join(folder, "a"), "w").close()
        out.mkdir()
        (out / "a").write_text("of somebody else")
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(out) == ["a"] and (out / "a").read_text() == "of somebody else"


def test_only_with_force_entries_are_replaced(tmp_path):
    out = tmp_path / "deep" / "out"
    write(out)
    (out / "other").write_text("mine")
    with pytest.raises(InputError, match=r"already holds new, other: .* force=True"):
        write(out)
    write(out, force=True)
    assert sorted(os.listdir(out)) == ["new", "other"]
    assert os.listdir(tmp_path / "deep") == ["out"]


@pytest.mark.parametrize("kind", ["file", "pipe", "null", "below"])
def test_a_folder_needs_a_place(tmp_path, kind):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    path = tmp_path / ("file/below" if kind == "below" else kind)
    with pytest.raises(InputError, match=r"expected a folder or nothing|cannot write here"):
        write(path)
    with pytest.raises(InputError, match="cannot hold NUL"):
        write(str(tmp_path / "a\0b"))
    assert sorted(os.listdir(tmp_path)) == ["file", "null", "pipe"]
