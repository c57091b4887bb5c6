"""Opens a DIGITS model from a download or a job folder, for inference or to continue training."""

from __future__ import annotations

import dataclasses
import os
import tempfile

from fcnkit.files import members, output_folder

from .models import DigitsModel, unpack


def open_model(
    path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None
) -> DigitsModel:
    """Open the `DigitsModel` at `path`; an archive is unpacked into `folder`, which must not exist.

    Without `folder`, it is unpacked into a temporary one that lives as long as the model, its `run`
    or a segmenter of that: `open_model(path).run.segmenter()` is all that inference takes.
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


@dataclasses.dataclass(frozen=True)
class ModelToTrain:
    """The DIGITS model at `path`, as the model whose training a `fcnkit.training.Start` continues.

    An archive is unpacked; a folder stays where it is.
    """

    path: str | os.PathLike[str]

    def open(self, files: str, training: str) -> tuple[str, str]:
        """Return the paths of a solver and of the model's weights.

        An archive is unpacked into the folder `files`, unless that is there already; the solver and
        its net are written into the folder `training`.
        """
        model = DigitsModel(files) if os.path.isdir(files) else open_model(self.path, files)
        return model.write_training(training), model.weights
