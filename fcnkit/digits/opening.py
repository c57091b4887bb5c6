"""`--digits-model`: a download or a job folder of DIGITS, opened."""

import os
import shutil
import tempfile

from caffeformat import InputError
from fcnkit.files import members

from .models import DigitsModel, unpack


def open_model(path, folder=None):
    """The `DigitsModel` at `path`; an archive is unpacked into `folder`, which must not exist.

    Without `folder` it goes to a temporary one that lives as long as the model.
    """
    if os.path.isdir(path):
        return DigitsModel(path)
    if folder is None:
        temporary = tempfile.TemporaryDirectory(prefix="fcnkit-digits-")
        unpack(members(path), temporary.name)
        model = DigitsModel(temporary.name)
        model.temporary = temporary
        return model
    partial = f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    unpack(members(path), partial)
    os.rename(partial, folder)
    return DigitsModel(folder)


def open_for_training(path, output, resume=False, force=False):
    """(model, path of a solver) to go on training a DIGITS model in the folder `output`.

    Both stay in `output/digits_model`, so that the run can be resumed; what an earlier run left
    there is used again with `resume` and replaced with `force`.
    """
    folder = os.path.join(output, "digits_model")
    unpacked, texts = os.path.join(folder, "files"), os.path.join(folder, "training")
    if os.path.isdir(folder) and not resume:
        if not force:
            raise InputError(
                f"{folder} is from an earlier run: go on with --resume, choose another --output, "
                "or start over with --force"
            )
        shutil.rmtree(folder)
    os.makedirs(folder, exist_ok=True)
    model = DigitsModel(unpacked) if os.path.isdir(unpacked) else open_model(path, unpacked)
    return model, model.write_training(texts)
