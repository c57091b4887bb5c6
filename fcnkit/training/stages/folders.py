"""Folders of an earlier run of stages: refused, or set aside until the new run has begun."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError
from caffeformat.files import TemporaryFolder, entries_of
from fcnkit.files import read_json_object

from .. import setting_aside
from ..run_folder import bring_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

__all__ = [
    "RECORD",
    "START_NET",
    "START_WEIGHTS",
    "bring_back",
    "earlier_stages",
    "new_folder",
    "read_record",
    "set_aside",
]

# In a stage's folder: the net and weights it starts from, and the record of its results.
START_NET, START_WEIGHTS, RECORD = "start.prototxt", "start.caffemodel", "stage.json"

# What a stage's folder may hold before its training has begun.
_PREPARED = {START_NET, START_WEIGHTS, RECORD, "first_masks"}


def earlier_stages(
    folders: Sequence[str], force: bool = False, weights: str | os.PathLike[str] | None = None
) -> list[str]:
    """Return those of `folders` in which an earlier run left a stage.

    Raises `InputError` where such a stage has begun to train, unless `force` is true; and in any
    case where a folder holds something else, or the new run's `weights`.
    """
    earlier = [folder for folder in folders if os.path.isdir(folder) and entries_of(folder)]
    for folder in earlier:
        if not force and not _PREPARED.issuperset(entries_of(folder)):
            raise InputError(
                f"{folder} is from an earlier run: pass {{resume}} to continue it or {{force}} to "
                "replace it, or choose another output folder",
                options={"resume": True, "force": True},
            )
        if not any(os.path.exists(os.path.join(folder, name)) for name in (RECORD, START_NET)):
            raise InputError(f"{folder} is not a stage of a training run: it is left as it is")
        if weights and os.path.realpath(weights).startswith(os.path.realpath(folder) + os.sep):
            raise InputError(
                f"{os.fspath(weights)} is in {folder}, which would be removed: move it elsewhere "
                "first"
            )
    return earlier


def read_record(folder: str) -> dict[str, Any]:
    """Return what `folder` records of its stage, empty where it has not begun.

    Raises `FormatError` for a damaged record.
    """
    path = os.path.join(folder, RECORD)
    if not os.path.exists(path):
        return {}
    advice = "start over with {force}"
    try:
        record = read_json_object(path)
    except FormatError as error:
        text = f"{error.problem}: {advice}"
        raise FormatError(path, text, options={"force": True}) from error
    if not {"agreement", "start", "end"} <= set(record):
        text = f"is damaged (entries are missing): {advice}"
        raise FormatError(path, text, options={"force": True})
    return record


@contextlib.contextmanager
def new_folder(path: str) -> Iterator[str]:
    """Yield an empty folder that replaces `path` when the block succeeds."""
    folder = TemporaryFolder(path)
    try:
        yield folder.path
        folder.publish("all")
    finally:
        folder.remove()


@contextlib.contextmanager
def set_aside(folders: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Move `folders`, which lie beside each other, out of the way until the block ends.

    Yields a function that removes them for good; see `setting_aside.set_aside`.
    """
    output = os.path.dirname(folders[0]) if folders else ""
    with setting_aside.set_aside(output) as aside:
        aside.move(folders)
        yield aside.remove
