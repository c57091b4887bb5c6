"""Models to take along: DIGITS' archive, the weights alone, ONNX, a model folder."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import tarfile
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import flask
import numpy as np
import werkzeug.exceptions

from caffeformat import (
    InputError,
    datum_to_array,
    open_database,
    pb,
    read_caffemodel,
    read_net,
    read_solver,
    write_text,
)
from caffeformat.files import check_file
from fcnkit.export import ModelCard, deployed, to_onnx, write_model_folder
from fcnkit.images import IGNORE_LABEL, ImageForm, Preprocessor, channels_last
from fcnkit.training import read_run, run_facts, steps_of

from .bench import bench
from .model_jobs import RUN
from .snapshots import BEST
from .trials import Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caffeformat import Weights
    from fcnkit.jobs import Job

FOLDER = "folder.zip"
_ARCHIVES = {"tar.gz": "w:gz", "tgz": "w:gz", "tar": "w", "tar.bz2": "w:bz2", "zip": ""}


def respond(job: Job, weights: str | None, ending: str) -> Any:
    """Return a model as a file that is sent to the client."""
    run = bench().jobs.path(job.id, RUN)
    weights = weights or read_run(run).weights
    check_file(weights)
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '_', job.name)[:60] or job.id}_{_mark(weights)}"
    if ending == "caffemodel":
        return _sent(weights, f"{stem}.caffemodel")
    if ending in ("onnx", FOLDER):
        try:
            return _onnx(run, weights, stem) if ending == "onnx" else _folder(job, weights, stem)
        except ModuleNotFoundError as error:
            raise InputError(
                f"ONNX needs {error.name}: pip install 'fcnkit[export]' on the server"
            ) from error
    if ending not in _ARCHIVES:
        raise werkzeug.exceptions.NotFound(
            f"There is no download .{ending}; there are {', '.join(_ARCHIVES)}, caffemodel, onnx, "
            f"{FOLDER}."
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is sent)
    with tempfile.TemporaryDirectory() as folder:
        parts = _parts(job, run, weights, folder)
        for path in parts.values():
            check_file(path)
        if ending == "zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, path in parts.items():
                    archive.write(path, name)
        else:
            with tarfile.open(fileobj=file, mode=_ARCHIVES[ending]) as packed:  # type: ignore[call-overload]
                for name, path in parts.items():
                    packed.add(path, name)
    file.seek(0)
    return flask.send_file(file, as_attachment=True, download_name=f"{stem}.{ending}")


def _net_and_weights(run: str, weights: str) -> tuple[pb.NetParameter, Weights]:
    return deployed(read_net(os.path.join(run, "deploy.prototxt"))), read_caffemodel(weights)


def _onnx(run: str, weights: str, stem: str) -> Any:
    model = to_onnx(*_net_and_weights(run, weights))
    return flask.send_file(
        io.BytesIO(model.SerializeToString()),
        as_attachment=True,
        download_name=f"{stem}.onnx",
        mimetype="application/octet-stream",
    )


def _folder(job: Job, weights: str, stem: str) -> Any:
    """Return what `export --folder` writes of a model, in an archive."""
    run = bench().jobs.path(job.id, RUN)
    trained = read_run(run)
    facts = run_facts(run, steps_of(weights))
    dataset = bench().jobs.get(str(job.settings.get("dataset", "")))
    card = ModelCard(
        job.name,
        trained.names or None,
        trained.palette,
        IGNORE_LABEL if trained.ignore is None else trained.ignore,
        data=dataset[0].name if dataset else facts.data,
        images=facts.images,
        scores=facts.scores,
        recipe=facts.recipe,
    )
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is sent)
    with tempfile.TemporaryDirectory() as folder:
        preprocessor = Preprocessor(trained.mean, trained.scale)
        write_model_folder(folder, *_net_and_weights(run, weights), card, preprocessor)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(os.listdir(folder)):
                archive.write(os.path.join(folder, name), f"{stem}/{name}")
    file.seek(0)
    return flask.send_file(file, as_attachment=True, download_name=f"{stem}.zip")


def _sent(path: str, name: str) -> Any:
    return flask.send_file(os.path.abspath(path), as_attachment=True, download_name=name)


def _mark(weights: str) -> str:
    """Return what the name of a download says about its weights."""
    is_best = os.path.basename(weights).endswith(f"_{BEST}.caffemodel")
    return BEST if is_best else str(steps_of(weights) or 0)


def _parts(job: Job, run: str, weights: str, folder: str) -> dict[str, str]:
    """Write the files of DIGITS' archive into `folder`; return {name: path}."""
    trained = read_run(run)
    iteration = steps_of(weights) or 0
    snapshot = f"snapshot_iter_{iteration}.caffemodel"
    parts = {snapshot: weights, "deploy.prototxt": os.path.join(run, "deploy.prototxt")}

    def written(name: str, message: Any) -> None:
        parts[name] = os.path.join(folder, name)
        write_text(parts[name], message)

    nets = [
        path
        for path in (
            bench().jobs.path(job.id, place, "train_val.prototxt") for place in ("net", "fcn")
        )
        if os.path.isfile(path)
    ]
    if nets:
        parts["train_val.prototxt"] = parts["original.prototxt"] = nets[0]
    solver = read_solver(os.path.join(run, "solver.prototxt"))
    solver.ClearField("train_net")
    del solver.test_net[:]
    solver.net, solver.snapshot_prefix = "train_val.prototxt", "snapshot"
    written("solver.prototxt", solver)
    info: dict[str, Any] = {
        "job id": job.id,
        "creation time": job.created,
        "username": "",
        "snapshot file": snapshot,
        "framework": "caffe",
        "deploy file": "deploy.prototxt",
        "train_val file": "train_val.prototxt",
        "solver file": "solver.prototxt",
        "mean subtraction": "none",
        "image resize mode": "none",
        "digits version": "fcnkit",
    }
    if trained.mean is not None:
        mean = np.asarray(trained.mean, np.float32).ravel()
        info["mean subtraction"], info["mean file"] = "pixel", "mean.binaryproto"
        blob = pb.BlobProto(num=1, channels=len(mean), height=1, width=1, data=mean.tolist())
        parts["mean.binaryproto"] = os.path.join(folder, "mean.binaryproto")
        with open(parts["mean.binaryproto"], "wb") as file:
            file.write(blob.SerializeToString())
    texts = {"info.json": json.dumps(info, indent=2) + "\n"}
    if trained.names:
        texts["labels.txt"] = "".join(f"{name}\n" for name in trained.names)
    for name, text in texts.items():
        parts[name] = os.path.join(folder, name)
        with open(parts[name], "w", encoding="utf-8") as file_:
            file_.write(text)
    return parts


def database_path(text: str) -> str:
    """Return the path of the database that the field `db_path` names."""
    if not text.strip():
        raise InputError("db_path: expected the path of a database on the server")
    return bench().places.find(text)


def database_sources(path: str, most: int) -> tuple[int, Iterator[Source]]:
    """Return (how many images a database has, the first `most` of them, called by their keys)."""
    with open_database(path) as database:
        count = len(database)
    return count, _datums(path, most)


def _datums(path: str, most: int) -> Iterator[Source]:
    with open_database(path) as database:
        for key in itertools.islice(database.keys(), most):
            value, title = database.get(key), key.decode("utf-8", "replace")

            def load(value: bytes | None = value, title: str = title) -> Any:
                return read(ImageForm(3, "uint8"), value, title)

            def read(form: ImageForm, value: bytes | None = value, title: str = title) -> Any:
                datum = pb.Datum.FromString(value or b"")
                if datum.encoded:
                    return form.read(datum.data, title), None
                return form.fit(channels_last(datum_to_array(datum)), title), None

            yield Source(title, load, read)
