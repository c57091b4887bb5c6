"""What the process that reads HDF5 files first looks for, called in this one."""

import numpy as np
import pytest

from caffeformat.weights import hdf5_check

h5py = pytest.importorskip("h5py")

VALUES = np.arange(6, dtype=np.float32)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "w.h5")


def count(path, most=1 << 20):
    """The number of groups and datasets in the file."""
    found, data = hdf5_check.check({"path": path, "most": most}, b"")
    assert data == b""
    return found


def test_every_group_and_dataset_is_visited_once(path):
    with h5py.File(path, "w") as file:
        file["data/a/0"] = VALUES
        file["data/a/again"] = file["data/a/0"]  # a second name of the same dataset
        file["data/a/soft"] = h5py.SoftLink("/data/a/0")
        file["data/b/words"] = "text"
        file["data/b/nothing"] = h5py.Empty("f4")
    # data, a and b, and three datasets
    assert count(path) == 6


def test_groups_that_hold_themselves_end(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("data/a")
        group["itself"] = group
        group["above"] = file["data"]
        group["0"] = VALUES
    assert count(path) == 3


def test_types_that_have_names_are_no_groups(path):
    with h5py.File(path, "w") as file:
        file["type"] = np.dtype("f8")
        file["x"] = VALUES
    assert count(path) == 2


@pytest.mark.parametrize("link", ["/dev/zero", "other.h5"])
def test_a_link_to_another_file_is_refused_before_it_is_followed(path, link):
    with h5py.File(path, "w") as file:
        file.create_group("data")["a"] = h5py.ExternalLink(link, "/x")
    with pytest.raises(
        hdf5_check.Refused, match=f'"/data/a" lie in another file, {link!r}: copy them into this'
    ):
        count(path)


def test_a_link_at_the_top_is_named_with_one_slash(path):
    with h5py.File(path, "w") as file:
        file["a"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(hdf5_check.Refused, match=r'^the values of "/a" lie'):
        count(path)


def test_values_in_another_file_are_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2,), "f4", external=[("/dev/zero", 0, 8)])
    with pytest.raises(hdf5_check.Refused, match=r'"/a" lie in another file, .*/dev/zero'):
        count(path)


def test_views_are_refused_only_where_they_show_another_file(path):
    with h5py.File(path, "w") as file:
        file["a"] = VALUES
        view = h5py.VirtualLayout((6,), "f4")
        view[:] = h5py.VirtualSource(".", "a", (6,))
        file.create_virtual_dataset("own", view)
    assert count(path) == 2
    with h5py.File(path, "a") as file:
        view[:3] = h5py.VirtualSource("missing.h5", "x", (3,))
        file.create_virtual_dataset("other", view)
    with pytest.raises(hdf5_check.Refused, match=r'"/other" lie in another file, .*missing\.h5'):
        count(path)


def test_more_objects_than_a_net_has_are_refused(path, monkeypatch):
    with h5py.File(path, "w") as file:
        for name in "abc":
            file.create_group(name)
    monkeypatch.setattr(hdf5_check, "_MOST_OBJECTS", 3)
    assert count(path) == 3
    monkeypatch.setattr(hdf5_check, "_MOST_OBJECTS", 2)
    with pytest.raises(hdf5_check.Refused, match="has more than 2 groups and datasets"):
        count(path)


def test_spoilt_values_are_found_unless_they_are_too_many_to_be_read(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=VALUES, fletcher32=True, chunks=(6,))
    assert count(path) == 1
    with open(path, "r+b") as file:
        file.seek(file.read().index(VALUES.tobytes()))
        file.write(b"\xff")
    with pytest.raises(OSError, match=r"checksum|filter"):
        count(path)
    assert count(path, most=VALUES.nbytes - 1) == 1
    with pytest.raises(OSError):
        count(path, most=VALUES.nbytes)
