"""Caffe's HDF5 files: weights as `data/<layer>/<index>`, solver states beside a group `history`.

h5py is imported when such a file is opened, so that everything else works without it.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.apart import SECONDS, run_apart
from caffeformat.errors import FormatError, InputError, brief, reading
from caffeformat.files import atomic_path, check_file, open_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    import h5py
    from numpy.typing import NDArray


# Deflate's best ratio: a dataset that claims to expand further lies about its size.
_MOST_EXPANSION = 1100
_MOST_GROUPS = 50_000
_CHECKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hdf5_check.py")
_PROBLEM = "damaged, or not an HDF5 file"
_SLOWEST = 10 << 20  # bytes per second, at which a file is read on any disk
_MOST_REMEMBERED = 4096
# Files that could be read: device, inode, size and time of change
_checked: dict[tuple[int, int, int, int], None] = {}
SIGNATURE = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Whether the file at `path` begins as HDF5 files do; False where it cannot be read."""
    try:
        with open_file(path) as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except (InputError, OSError):
        return False


def read_weights(path: str | os.PathLike[str]) -> dict[str, list[NDArray[np.float32] | None]]:
    """{layer name: [float32 arrays]} of the layers with blobs in a `.caffemodel.h5`."""
    with open_hdf5(path) as file:
        if "data" not in file or not hasattr(file["data"], "items"):
            raise FormatError(path, 'no group "data": not a caffemodel')
        return _collect(path, file["data"])


def write_weights(
    path: str | os.PathLike[str], weights: Mapping[str, Sequence[NDArray[Any] | None]]
) -> None:
    """Write {layer name: [arrays]} as `data/<layer>/<index>`; None is skipped.

    A slash in a name makes groups within groups. Raises `InputError` for names that HDF5 cannot
    hold, or whose place another layer's blob has taken.
    """
    with create_hdf5(path) as file:
        data = file.create_group("data")
        for name, blobs in weights.items():
            arrays = {str(i): array for i, array in enumerate(blobs) if array is not None}
            # BVLC Caffe names the layers without blobs, too; nothing is lost without them.
            if not arrays and not _is_path(name):
                continue
            try:
                if not _is_path(name):
                    raise ValueError(name)
                # There already where a layer "conv2/bn" came before this "conv2"
                group = data.require_group(name)
                for index, array in arrays.items():
                    if index in group:  # h5py 2 raises an OSError for that
                        raise ValueError(name)
                    group.create_dataset(index, data=array, dtype="<f4")
            except (TypeError, ValueError):
                raise InputError(
                    f"{os.fspath(path)}: an HDF5 file has no place for the layer {brief(name)} "
                    "beside the others; rename it, or use a name that ends in .caffemodel"
                ) from None


def _is_path(name: str) -> bool:
    """Whether `name` leads from a group to one below it, and comes back as it was written."""
    return "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def numbered(path: str | os.PathLike[str], group: h5py.Group) -> list[NDArray[np.float32] | None]:
    """Datasets `0`, `1`, ... of `group` as float32 arrays; None for missing numbers."""
    found: dict[int, NDArray[np.float32]] = {}
    for key, item in group.items():
        if hasattr(item, "shape"):
            if not key.isdecimal() or len(key) > 5:
                raise FormatError(path, f'dataset "{item.name}" is not the number of a blob')
            found[int(key)] = read_dataset(path, item)
    return [found.get(index) for index in range(max(found, default=-1) + 1)]


def read_dataset(path: str | os.PathLike[str], dataset: h5py.Dataset) -> NDArray[np.float32]:
    """A dataset of numbers as a float32 array; its size is checked before it is allocated."""
    if dataset.dtype.kind not in "fiu":
        raise FormatError(path, f'dataset "{dataset.name}" holds {dataset.dtype}, not numbers')
    if dataset.shape is None:
        raise FormatError(path, f'dataset "{dataset.name}" holds no values')
    if dataset.size * dataset.dtype.itemsize > _MOST_EXPANSION * os.path.getsize(path):
        raise FormatError(path, f'dataset "{dataset.name}" claims the shape {dataset.shape}')
    return np.asarray(dataset[()], np.float32)


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """The HDF5 file at `path`, for reading; what h5py cannot read becomes a `FormatError`."""
    h5py = _h5py(path)
    check_file(path)
    _check_content(path)
    with reading(path, _PROBLEM), h5py.File(path, "r") as file:
        yield file


def _check_content(path: str | os.PathLike[str]) -> None:
    """Read all of the file once in another process, as libhdf5 may crash at it.

    A file that was found right is not read again until it changes.
    """
    status = os.stat(path)
    key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    if key in _checked:
        return
    asked = {"path": os.path.abspath(path), "most": _MOST_EXPANSION * status.st_size}
    seconds = SECONDS + status.st_size / _SLOWEST
    run_apart(path, _CHECKER, "check", asked, seconds=seconds, problem=_PROBLEM)
    while len(_checked) >= _MOST_REMEMBERED:
        _checked.pop(next(iter(_checked)))
    _checked[key] = None


@contextlib.contextmanager
def create_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """A new HDF5 file that is renamed to `path` when the block succeeds."""
    h5py = _h5py(path)
    with atomic_path(path) as written, h5py.File(written, "w", libver="earliest") as file:
        yield file


def _h5py(path: str | os.PathLike[str]) -> ModuleType:
    try:
        import h5py
    except ImportError:
        raise InputError(f"{os.fspath(path)}: an HDF5 file; install h5py to use it") from None
    return h5py


def _collect(
    path: str | os.PathLike[str], data: h5py.Group
) -> dict[str, list[NDArray[np.float32] | None]]:
    """{layer: blobs} of the groups below `data`; a slash in a name makes groups within groups."""
    h5py = _h5py(path)
    weights: dict[str, list[NDArray[np.float32] | None]] = {}
    waiting, seen = [("", data)], 0
    places: set[int] = set()
    while waiting:
        prefix, group = waiting.pop(0)
        place = h5py.h5o.get_info(group.id).addr
        if place in places:
            raise FormatError(path, f"links lead to the group {brief(prefix)} a second time")
        places.add(place)
        for key, item in group.items():
            if hasattr(item, "items"):
                blobs = numbered(path, item)
                if blobs:
                    weights[prefix + key] = blobs
                waiting.append((f"{prefix}{key}/", item))
        seen += len(group)
        if seen > _MOST_GROUPS:
            raise FormatError(path, f"more than {_MOST_GROUPS} groups below data")
    return weights
