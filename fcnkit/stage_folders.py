"""The folders of an earlier run of stages: refused, or set aside until a new run has begun."""

import contextlib
import os
import shutil
import tempfile

from caffeformat import InputError

# In a stage's folder: the net and weights it starts from, and what is known of it.
START_NET, START_WEIGHTS, RECORD = "start.prototxt", "start.caffemodel", "stage.json"

# What a stage's folder holds before its training has begun.
_PREPARED = {START_NET, START_WEIGHTS, RECORD, "first_masks", "first_masks.partial"}


def earlier_stages(folders, force=False, weights=None):
    """Those of `folders` in which an earlier run left a stage.

    Raises `InputError` where one of them began to train and there is no `force`, and in any case
    where a folder holds something else, or the new run's `weights`.
    """
    earlier = [folder for folder in folders if os.path.isdir(folder) and os.listdir(folder)]
    for folder in earlier:
        if not force and not _PREPARED.issuperset(os.listdir(folder)):
            raise InputError(
                f"{folder} is from an earlier run: go on with --resume, choose another --output, "
                "or start over with --force, which removes that run"
            )
        if not any(os.path.exists(os.path.join(folder, name)) for name in (RECORD, START_NET)):
            raise InputError(f"{folder} is no stage of a training: it stays as it is")
        if weights and os.path.realpath(weights).startswith(os.path.realpath(folder) + os.sep):
            raise InputError(
                f"{weights} is in {folder}, which would be removed: move it elsewhere first"
            )
    return earlier


@contextlib.contextmanager
def set_aside(folders):
    """Move `folders` out of the way; yields a function that removes them for good.

    A block that ends without having called it gets them back in place of what is there then. A
    process that is killed leaves them beside, under `before-*`.
    """
    if not folders:
        yield lambda: None
        return
    aside = tempfile.mkdtemp(prefix="before-", dir=os.path.dirname(folders[0]))
    moved = {folder: os.path.join(aside, os.path.basename(folder)) for folder in folders}

    def remove():
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
