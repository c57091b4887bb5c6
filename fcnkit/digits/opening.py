"""Opens a DIGITS model from a download or a job folder, for inference or to continue training."""

from __future__ import annotations

import os
import shutil
import tempfile

from caffeformat import InputError
from fcnkit.files import members

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
    partial = f"{os.fspath(folder)}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    unpack(members(path), partial)
    os.rename(partial, folder)
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
    folder = os.path.join(output, "digits_model")
    unpacked, texts = os.path.join(folder, "files"), os.path.join(folder, "training")
    if os.path.isdir(folder) and not resume:
        if not force:
            raise InputError(
                f"{folder} is from an earlier run: pass {{resume}} to continue it or {{force}} to "
                "replace it, or choose another output folder",
                options={"resume": True, "force": True},
            )
        shutil.rmtree(folder)
    os.makedirs(folder, exist_ok=True)
    model = DigitsModel(unpacked) if os.path.isdir(unpacked) else open_model(path, unpacked)
    return model, model.write_training(texts)
