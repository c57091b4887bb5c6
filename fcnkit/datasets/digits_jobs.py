"""Reads the job folders of DIGITS: class names, palette, mean and snapshots.

DIGITS keeps each job in a folder with `status.pickle`, a pickle of its own classes. It is read as
plain data only (`plain_pickle`), and each value is checked before it is returned.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fcnkit.files import Record, read_plain_pickle
from fcnkit.images import MAX_CLASSES, full_palette

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STATUS = "status.pickle"


class Job(NamedTuple):
    """A DIGITS job. A field is None, or `snapshots` empty, if the job does not specify it."""

    class_name: str | None  # of DIGITS' job class
    name: str | None  # given by the user
    dataset_id: str | None  # job id of the dataset that a model was trained on
    class_names: list[str] | None  # of a dataset, from its data extension
    palette: NDArray[np.uint8] | None  # likewise, 256 x 3 RGB
    mean_kind: str | None  # of a model: "image", "pixel" or "none"
    snapshots: list[str]  # of a model: file names, oldest first


def is_job(folder: str | os.PathLike[str]) -> bool:
    """Whether `folder` is the folder of a DIGITS job."""
    return os.path.isfile(os.path.join(folder, STATUS))


def read_job(folder: str | os.PathLike[str]) -> Job:
    """Read the job in a folder of DIGITS. Raises `InputError` if its pickle cannot be read."""
    found = read_plain_pickle(os.path.join(folder, STATUS))
    if not isinstance(found, Record):
        found = Record()
    userdata = found.get("extension_userdata")
    userdata = userdata if isinstance(userdata, dict) else {}
    task = _train_task(found)
    return Job(
        found.class_name,
        _text(found.get("_name")),
        _text(found.get("dataset_id")),
        _names(userdata.get("class_labels")),
        _palette(userdata.get("color_palette")),
        mean_kind(task.get("use_mean")),
        _snapshots(task.get("snapshots")),
    )


def class_names_and_palette(
    folder: str | os.PathLike[str],
) -> tuple[list[str] | None, NDArray[np.uint8] | None]:
    """(class names, palette) of a dataset job, or of the dataset that a model job was trained on.

    Either is None if it is not specified. A model's dataset is looked for beside the model, where
    DIGITS keeps it; a dataset id that is not a plain folder name is ignored.
    """
    job = read_job(folder)
    if job.class_names is None and job.palette is None and job.dataset_id:
        jobs = os.path.dirname(os.path.abspath(folder))
        beside = os.path.join(jobs, job.dataset_id)
        if os.path.basename(job.dataset_id) == job.dataset_id and is_job(beside):
            job = read_job(beside)
    return job.class_names, job.palette


def mean_kind(value: object) -> str | None:
    """DIGITS' word for how the mean was subtracted: "image", "pixel", "none", or None if unknown.

    The first versions stored only whether it was: True is "image".
    """
    if isinstance(value, bool):
        return "image" if value else "none"
    return value if isinstance(value, str) and value in ("image", "pixel", "none") else None


def _train_task(job: Record) -> Record:
    tasks = job.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, Record) and "snapshots" in task.state:
            return task
    return Record()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _names(values: object) -> list[str] | None:
    if not isinstance(values, (list, tuple)) or not 1 <= len(values) <= MAX_CLASSES:
        return None
    if not all(isinstance(value, str) or _is_small(value) for value in values):
        return None
    return [str(value).strip() for value in values]


def _is_small(value: object) -> bool:
    """Whether a value is a whole number that can be written down; hostile ones take hours."""
    return isinstance(value, int) and value.bit_length() <= 64


def _palette(values: object) -> NDArray[np.uint8] | None:
    if not isinstance(values, (list, tuple)) or not 3 <= len(values) <= 768 or len(values) % 3:
        return None
    if not all(isinstance(value, int) and 0 <= value < 256 for value in values):
        return None
    return full_palette(values)


def _snapshots(pairs: object) -> list[str]:
    """File names of (file, epoch) pairs; the path, which is the server's, is cut off."""
    names = []
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, (list, tuple)) and pair and isinstance(pair[0], str):
            names.append(os.path.basename(pair[0].replace("\\", "/")))
    return names
