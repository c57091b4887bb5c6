"""Folders of an earlier run of stages: refused, or set aside until the new run has begun."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# In a stage's folder: the net and weights it starts from, and the record of its results.
START_NET, START_WEIGHTS, RECORD = "start.prototxt", "start.caffemodel", "stage.json"

# What a stage's folder may hold before its training has begun.
_PREPARED = {START_NET, START_WEIGHTS, RECORD, "first_masks", "first_masks.partial"}


def earlier_stages(
    folders: Sequence[str], force: bool = False, weights: str | os.PathLike[str] | None = None
) -> list[str]:
    """Return those of `folders` in which an earlier run left a stage.

    Raises `InputError` where such a stage has begun to train, unless `force` is true; and in any
    case where a folder holds something else, or the new run's `weights`.
    """
    earlier = [folder for folder in folders if os.path.isdir(folder) and os.listdir(folder)]
    for folder in earlier:
        if not force and not _PREPARED.issuperset(os.listdir(folder)):
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


@contextlib.contextmanager
def set_aside(folders: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Move `folders` out of the way; yields a function that removes them for good.

    If the block ends without having called it, they come back and replace what is there by then.
    A killed process leaves them in a folder `before-*` beside their old places.
    """
    if not folders:
        yield lambda: None
        return
    aside = tempfile.mkdtemp(prefix="before-", dir=os.path.dirname(folders[0]))
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
