"""Reads DIGITS' models, downloads (tar, tar.gz, tar.bz2, zip) and job folders: nets with weights.

A download holds `info.json`, `deploy.prototxt`, `train_val.prototxt`, `solver.prototxt`,
`original.prototxt`, one snapshot, and, where they were used, `mean.binaryproto`, `labels.txt` and
`digits_python_layers.py`. A job folder holds the same files, all snapshots and a pickle
(`digits_jobs`). What `info.json` leaves open is taken from the job, then from the net's own text.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import (
    FormatError,
    InputError,
    atomic_write,
    read_mean,
    read_net,
    read_solver,
    write_text,
)
from fcnkit import datasets, nets
from fcnkit.files import read_json_object
from fcnkit.images import read_class_names
from fcnkit.inference import TrainedNet

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from caffeformat import pb
    from fcnkit.files import Member

# The kinds of files that a download consists of; others are left in the archive.
_SUFFIXES = (".prototxt", ".caffemodel", ".binaryproto", ".txt", ".json", ".py")

# Four times larger than the download of any public network, and small enough for a disk.
MAX_BYTES = 4 << 30
MAX_FILES = 1000

_SNAPSHOT = re.compile(r"_iter_(\d+)\.caffemodel$")


def unpack(members: Iterable[Member], folder: str | os.PathLike[str]) -> None:
    """Write the files of a model from an archive into `folder`, which must exist.

    Raises `InputError` for links and devices, for two files of one name, and for more than 1000
    files or 4 GB.
    """
    total = 0
    for number, member in enumerate(members, 1):
        total += member.size
        if number > MAX_FILES or total > MAX_BYTES:
            raise InputError(
                f"{member.archive}: refused, it holds more than {MAX_FILES} files or "
                f"{MAX_BYTES >> 30} GB: this is not a download of one DIGITS model"
            )
        if not member.is_plain:
            raise InputError(
                f"{member.archive}: refused, {member.name} is a link or a device, not a file"
            )
        if not member.name.endswith(_SUFFIXES):
            continue
        target = os.path.join(folder, *member.name.split("/"))
        if os.path.exists(target):
            raise FormatError(member.archive, f"refused, it holds {member.name} twice")
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with atomic_write(target) as file:
            for chunk in member.read_chunks():
                file.write(chunk)


class DigitsModel:
    """A DIGITS model in a folder: an unpacked download or a job.

    Attributes: `folder`; the paths `deploy`, `weights`, `solver` and `train_val` (these two None
    where there is no such file); `info` (the dict in info.json); `run` (what inference needs). The
    temporary folder that holds it, `temporary`, if any, stays as long as the model, `run`, or a
    segmenter of it. Raises `InputError` where net or weights are missing, and for models of Torch
    or TensorFlow.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        temporary: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._temporary = temporary
        self.folder = _folder_of_model(os.fspath(folder))
        self.info = self._read_info()
        self._job = datasets.read_job(self.folder) if datasets.is_job(self.folder) else None
        framework = self.info.get("framework", "caffe")
        if framework != "caffe":
            raise InputError(
                f"{self.folder}: is a model for {framework}; expected one that DIGITS trained with "
                "Caffe"
            )
        deploy = self._file("deploy file", "deploy.prototxt")
        if deploy is None:
            raise InputError(f"{self.folder}: expected a DIGITS model, but has no deploy.prototxt")
        self.deploy = deploy
        self.solver = self._file("solver file", "solver.prototxt")
        self.train_val = self._file("train_val file", "train_val.prototxt")
        self.weights = self._snapshot()
        self.run = TrainedNet(
            self.deploy, self.weights, *self._input(), *self._classes(), owner=temporary
        )

    def write_training(self, folder: str | os.PathLike[str]) -> str:
        """Write a solver that continues the training of this model, with its net, into `folder`.

        Returns the solver's path. Sources of Data layers that are not on this machine are removed,
        so that the layers read the recipe's dataset; mean files are replaced by the model's own.
        """
        if self.solver is None or self.train_val is None:
            raise InputError(
                f"{self.folder}: has no solver.prototxt and train_val.prototxt to continue with: "
                "pass a solver of your own and {weights}",
                option="weights",
                value=self.weights,
            )
        solver, net = read_solver(self.solver), read_net(self.train_val)
        for layer in net.layer:
            if layer.type == "Data" and not os.path.exists(layer.data_param.source):
                layer.data_param.source = ""
            if layer.transform_param.mean_file:
                layer.transform_param.mean_file = os.path.abspath(self._mean_path())
        os.makedirs(folder, exist_ok=True)
        for field in ("train_net", "net_param", "train_net_param"):
            solver.ClearField(field)
        solver.net = os.path.join(os.path.abspath(folder), "train_val.prototxt")
        write_text(solver.net, net)
        path = os.path.join(folder, "solver.prototxt")
        write_text(path, solver)
        return path

    def _read_info(self) -> dict[str, Any]:
        path = os.path.join(self.folder, "info.json")
        if not os.path.exists(path):
            return {}
        return read_json_object(path)

    def _file(self, key: str, usual: str) -> str | None:
        """Return the path of the file that info.json names under `key`, else of the `usual` one."""
        named = self.info.get(key)
        for name in (named, usual):
            # Only files in the model's own folder: info.json must not point anywhere else.
            if isinstance(name, str) and os.path.basename(name) == name and name:
                path = os.path.join(self.folder, name)
                if os.path.isfile(path):
                    return path
        return None

    def _snapshot(self) -> str:
        for name in self._snapshot_names():
            if isinstance(name, str) and os.path.basename(name) == name:
                path = os.path.join(self.folder, name)
                if os.path.isfile(path):
                    return path
        raise InputError(
            f"{self.folder}: expected a DIGITS model, but has no snapshot_iter_<n>.caffemodel"
        )

    def _snapshot_names(self) -> Iterator[Any]:
        """Yield names of snapshots, the best first: from info.json, the job, the folder."""
        yield self.info.get("snapshot file")
        yield from reversed(self._job.snapshots if self._job else [])
        found = [(_SNAPSHOT.search(name), name) for name in os.listdir(self.folder)]
        numbered = [(int(match.group(1)), name) for match, name in found if match]
        yield from (name for _, name in sorted(numbered, reverse=True))

    def _classes(self) -> tuple[list[str] | None, NDArray[np.uint8] | None]:
        names = palette = None
        if self._job is not None:
            names, palette = datasets.class_names_and_palette(self.folder)
        labels = self._file("labels file", "labels.txt")
        if names is None and labels is not None:
            names = read_class_names(labels)
        return names, palette

    def _mean_path(self) -> str:
        path = self._file("mean file", "mean.binaryproto")
        if path is None:
            raise InputError(
                f"{self.folder}: the net subtracts a mean, but there is no mean.binaryproto"
            )
        return path

    def _input(self) -> tuple[NDArray[np.float32] | None, float]:
        """Return the mean that DIGITS was set to subtract, or None, and the data layer's scale."""
        transform = self._transform()
        kind = datasets.mean_kind(self.info.get("mean subtraction"))
        if kind is None and self._job is not None:
            kind = self._job.mean_kind
        if kind is None:
            kind = self._kind_of(transform)
        mean = None
        if kind == "pixel" and transform is not None and transform.mean_value:
            mean = np.array(transform.mean_value, np.float32)
        elif kind != "none":
            mean = read_mean(self._mean_path())
            if kind == "pixel":
                mean = mean.mean((1, 2))
        return mean, 1.0 if transform is None else transform.scale

    def _transform(self) -> pb.TransformationParameter | None:
        """Return the transformation in the layer that read the training images, or None."""
        if self.train_val is None:
            return None
        for layer in nets.data_layers(read_net(self.train_val)):
            if layer.type in nets.DATA_TYPES and not nets.is_label(layer.top[0]):
                return layer.transform_param
        return None

    def _kind_of(self, transform: pb.TransformationParameter | None) -> str:
        if transform is None:
            return "image" if self._file("mean file", "mean.binaryproto") else "none"
        return "image" if transform.mean_file else "pixel" if transform.mean_value else "none"


def _folder_of_model(folder: str) -> str:
    """Return `folder`, or the folder in it that holds the model: archives may have one on top."""
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a DIGITS model, a folder or an archive")
    candidates = [folder] + sorted(
        entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)
    )
    for candidate in candidates:
        for name in ("info.json", "deploy.prototxt", datasets.STATUS):
            if os.path.isfile(os.path.join(candidate, name)):
                return candidate
    raise InputError(
        f"{folder}: expected a DIGITS model with info.json and deploy.prototxt, found neither"
    )
