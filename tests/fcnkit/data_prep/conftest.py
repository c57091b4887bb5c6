"""Fixtures of the tests of data preparation."""

import shutil
import subprocess

import pytest
from voc_archive import voc_files, write_archive

from fcnkit.data_prep import prepare_voc


@pytest.fixture
def voc_tar(tmp_path):
    """The small archive as a plain tar."""
    return write_archive("tar", tmp_path, voc_files())


@pytest.fixture
def voc_folders(tmp_path):
    """The small archive as `voc/{train,val}/{images,labels}`."""
    prepare_voc(write_archive("tar", tmp_path, voc_files()), tmp_path / "voc")
    return tmp_path / "voc"


@pytest.fixture
def tree():
    """A function: relative path -> content of every file below a folder."""
    return lambda folder: {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB; skips if none can be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount command")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs rights that this user lacks")
    yield place
    subprocess.run(["umount", str(place)], check=True)
