"""Opens a DIGITS model from a download or a job folder, for inference or to continue training."""

from __future__ import annotations

import os
import shutil
import tempfile

from caffeformat import InputError
from caffeformat.files import claimed_folder, entries_of, refuse_overlap
from fcnkit.files import members, output_folder

from .models import DigitsModel, unpack


def open_model(
    path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None
) -> DigitsModel:
    """Open the `DigitsModel` at `path`; an archive is unpacked into `folder`, which must not exist.

    Without `folder`, it is unpacked into a temporary one that lives as long as the model.
    """
    if os.path.isdir(path):
        return DigitsModel(path)
    if folder is None:
        temporary = tempfile.TemporaryDirectory(prefix="fcnkit-digits-")
        unpack(members(path), temporary.name)
        return DigitsModel(temporary.name, temporary)
    with output_folder(folder, inputs=[path]) as partial:
        unpack(members(path), partial)
    return DigitsModel(folder)


def open_for_training(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    resume: bool = False,
    force: bool = False,
) -> tuple[DigitsModel, str]:
    """Return a model and the path of a solver to continue its training in the folder `output`.

    Both stay in `output/digits_model`, so that the run can be resumed; what an earlier run left
    there is used again with `resume` and replaced with `force`.
    """
    refuse_overlap(output, [path])
    with claimed_folder(output):
        return _open_for_training(path, output, resume, force)


def _open_for_training(
    path: str | os.PathLike[str], output: str | os.PathLike[str], resume: bool, force: bool
) -> tuple[DigitsModel, str]:
    folder = os.path.join(output, "digits_model")
    unpacked, texts = os.path.join(folder, "files"), os.path.join(folder, "training")
    if os.path.isdir(folder) and not resume:
        if not force:
            raise InputError(
                f"{folder} is from an earlier run: pass {{resume}} to continue it or {{force}} to "
                "replace it, or choose another output folder",
                options={"resume": True, "force": True},
            )
        others = sorted(set(entries_of(folder)) - {"files", "training"})
        if others:
            raise InputError(f"{folder}: holds more than a run leaves ({', '.join(others[:3])})")
        shutil.rmtree(folder)
    os.makedirs(folder, exist_ok=True)
    model = DigitsModel(unpacked) if os.path.isdir(unpacked) else open_model(path, unpacked)
    return model, model.write_training(texts)
