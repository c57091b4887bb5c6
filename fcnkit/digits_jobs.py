"""What a DIGITS job folder says about itself.

DIGITS keeps each job in a folder with `status.pickle`, a pickle of its own classes. It is read as
plain data only (`plain_pickle`), and each value is checked before it is handed on.
"""

import collections
import os

from .classes import MAX_CLASSES
from .palette import full_palette
from .plain_pickle import Record, read_plain_pickle

STATUS = "status.pickle"

Job = collections.namedtuple(
    "Job", "class_name name dataset_id class_names palette mean_kind snapshots"
)
Job.__doc__ = """A DIGITS job.

`class_name` is that of DIGITS' job class, `name` what the user called it, `dataset_id` the job id
of the dataset that a model was trained on. `class_names` (list of str) and `palette` (256 x 3 uint8
RGB) are a dataset's, from its data extension; `mean_kind` ("image", "pixel", "none") and
`snapshots` (file names, oldest first) a model's. Each is None, and `snapshots` empty, where the job
does not say."""


def is_job(folder):
    """Whether `folder` is the folder of a DIGITS job."""
    return os.path.isfile(os.path.join(folder, STATUS))


def read_job(folder):
    """The `Job` in a folder of DIGITS. Raises `InputError` where its pickle cannot be read."""
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


def class_names_and_palette(folder):
    """(class names, palette) of a dataset job, or of the dataset that a model job was trained on.

    Either is None where nobody says. A model's dataset is looked for beside the model, where DIGITS
    has it; anything else than a plain folder name there is left aside.
    """
    job = read_job(folder)
    if job.class_names is None and job.palette is None and job.dataset_id:
        jobs = os.path.dirname(os.path.abspath(folder))
        beside = os.path.join(jobs, job.dataset_id)
        if os.path.basename(job.dataset_id) == job.dataset_id and is_job(beside):
            job = read_job(beside)
    return job.class_names, job.palette


def mean_kind(value):
    """DIGITS' word for how the mean was subtracted: "image", "pixel", "none", or None if unknown.

    The first versions said only whether it was: True is "image".
    """
    if isinstance(value, bool):
        return "image" if value else "none"
    return value if value in ("image", "pixel", "none") else None


def _train_task(job):
    tasks = job.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, Record) and "snapshots" in task.state:
            return task
    return Record()


def _text(value):
    return value if isinstance(value, str) and value else None


def _names(values):
    if isinstance(values, (list, tuple)) and 1 <= len(values) <= MAX_CLASSES:
        names = [str(value).strip() for value in values if isinstance(value, (str, int))]
        if len(names) == len(values):
            return names
    return None


def _palette(values):
    if not isinstance(values, (list, tuple)) or not 3 <= len(values) <= 768 or len(values) % 3:
        return None
    if not all(isinstance(value, int) and 0 <= value < 256 for value in values):
        return None
    return full_palette(values)


def _snapshots(pairs):
    """File names of (file, epoch) pairs; a path in them is of the server and is cut off."""
    names = []
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, (list, tuple)) and pair and isinstance(pair[0], str):
            names.append(os.path.basename(pair[0].replace("\\", "/")))
    return names
