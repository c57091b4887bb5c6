"""Reads all of an HDF5 file, in a process that may die of it; see `caffeformat.apart`."""

from __future__ import annotations

from typing import Any

# Far more than any net has
_MOST_OBJECTS = 100_000


class Refused(Exception):
    """What is wrong with the file."""


def _elsewhere(name: str, file: str) -> Refused:
    return Refused(
        f'the values of "{name.replace("//", "/")}" lie in another file, {file!r}: copy them into '
        "this one"
    )


def _check_places(dataset: Any) -> None:
    """Raise `Refused` where values of `dataset` lie in other files.

    They could be any file or device, and where one is missing libhdf5 makes up zeros.
    """
    others = [name for name, _, _ in dataset.external or ()]
    if dataset.is_virtual:
        others += [source.file_name for source in dataset.virtual_sources()]
    for other in others:
        if other != ".":
            raise _elsewhere(dataset.name, other)


def check(values: dict[str, Any], _: bytes) -> tuple[Any, bytes]:
    """Walk through the file at `values["path"]` and read every dataset of numbers.

    Datasets of more than `values["most"]` bytes are left out: nobody reads them.
    """
    import h5py

    seen: set[int] = set()
    with h5py.File(values["path"], "r") as file:
        waiting: list[Any] = [file]
        while waiting:
            group = waiting.pop()
            for key in group:
                link = group.get(key, getlink=True)
                if isinstance(link, h5py.ExternalLink):  # before it is followed
                    raise _elsewhere(f"{group.name}/{key}", link.filename)
                item = group[key]
                place = h5py.h5o.get_info(item.id).addr
                if place in seen:
                    continue
                seen.add(place)
                if len(seen) > _MOST_OBJECTS:
                    raise Refused(f"has more than {_MOST_OBJECTS} groups and datasets")
                if isinstance(item, h5py.Dataset):
                    _check_places(item)
                if hasattr(item, "items"):
                    waiting.append(item)
                elif (
                    getattr(item, "shape", None) is not None  # there may be a type and no values
                    and item.dtype.kind in "fiu"
                    and (item.size * item.dtype.itemsize <= values["most"])
                ):
                    item[()]
    return len(seen), b""
