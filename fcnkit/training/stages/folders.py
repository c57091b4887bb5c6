"""Folders of an earlier run of stages: refused, or set aside until the new run has begun."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError, open_text
from caffeformat.files import TemporaryFolder, entries_of
from fcnkit.files import read_json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

# In a stage's folder: the net and weights it starts from, and the record of its results.
START_NET, START_WEIGHTS, RECORD = "start.prototxt", "start.caffemodel", "stage.json"

# What a stage's folder may hold before its training has begun.
_PREPARED = {START_NET, START_WEIGHTS, RECORD, "first_masks"}

# Marks a folder of earlier stages that were set aside.
_MARK = ".set_aside_by_fcnkit"
_LOSS = ", loss = "  # in the log of a training run that has taken a step


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
                "remove it and start over, or choose another output folder",
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
    """Move `folders` out of the way; yields a function that removes them for good.

    If the block ends without having called it, they come back and replace what is there by then.
    A killed process leaves them in a folder `before-*` beside their old places, until `bring_back`.
    """
    if not folders:
        yield lambda: None
        return
    aside = tempfile.mkdtemp(prefix="before-", dir=os.path.dirname(folders[0]))
    with open(os.path.join(aside, _MARK), "x"):
        pass
    moved = {folder: os.path.join(aside, os.path.basename(folder)) for folder in folders}

    def remove() -> None:
        moved.clear()
        shutil.rmtree(aside, ignore_errors=True)

    try:
        for folder, place in moved.items():
            os.rename(folder, place)
        yield remove
    finally:
        for folder, place in moved.items():
            if os.path.isdir(place):
                shutil.rmtree(folder, ignore_errors=True)
                os.rename(place, folder)
        shutil.rmtree(aside, ignore_errors=True)


def bring_back(output: str) -> None:
    """Settle what a killed process had set aside in `output`, which no other process may use.

    Earlier stages come back, unless the stage in their place has taken a step: then they are
    removed, as that process would have done.
    """
    for aside in sorted(glob.glob(os.path.join(glob.escape(output), "before-*"))):
        if not os.path.isfile(os.path.join(aside, _MARK)):
            continue
        for name in os.listdir(aside):
            place, folder = os.path.join(aside, name), os.path.join(output, name)
            if name == _MARK or _has_stepped(folder):
                continue
            if os.path.isdir(folder):
                shutil.rmtree(folder)
            os.rename(place, folder)
        shutil.rmtree(aside)


def _has_stepped(folder: str) -> bool:
    """Whether the stage in `folder` has taken a step."""
    try:
        with open_text(os.path.join(folder, "train.log"), errors="replace") as log:
            return any(_LOSS in line for line in log)
    except InputError:
        return False
