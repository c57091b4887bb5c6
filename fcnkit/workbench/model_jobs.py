"""Jobs of models: the network and the solver that a form describes, and the commands that train."""

from __future__ import annotations

import math
import os
import shutil
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, pb, read_caffemodel, write_text
from fcnkit.jobs import Evidence, Job, Step

from . import augmenting, networks, scores
from .bench import bench
from .datasets import folder_of, mean_of
from .fields import free_path, place_or_upload
from .model_forms import numbers
from .snapshots import named, newest_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .datasets import OpenDataset
    from .model_forms import ModelForm

_MOST_STEPS = 2**31 - 1
# What scripts may name instead of a snapshot of another model.
NO_WEIGHTS, FIRST_WEIGHTS = "none", "first"
FCN, NET, RUN, SOLVER = "fcn", "net", scores.RUN, "solver.prototxt"
TRAIN_VAL = "train_val.prototxt"
_DONE = Evidence(os.path.join(RUN, "train.log"), "Optimization Done.")


def make_jobs(form: ModelForm) -> list[Job]:
    """Make the jobs that a valid form describes, one for each learning rate.

    None is made where a field turned out to be wrong, which then has an error.
    """
    jobs = bench().jobs
    rates = numbers(form.learning_rate.data)
    made: list[Job] = []
    uploads: dict[str, str | None] = {}
    for rate in rates:
        id_ = jobs.new_id()
        try:
            folder = jobs.path(id_)
            settings = {**form.values(), "learning_rate": _digits(rate)}
            steps = _steps(form, rate, folder, settings, uploads)
            if form.is_refused:
                return []
            name = form.model_name.data or _name_of(form)
            name += f" (rate {rate:g})" if len(rates) > 1 else ""
            lane = f"gpu {form.select_gpu.data}" if form.select_gpu.data else "cpu"
            made.append(jobs.add(id_, "model", name, lane, steps, settings))
        finally:
            jobs.discard(id_)
    return made


def _steps(
    form: ModelForm,
    rate: float,
    folder: str,
    settings: dict[str, Any],
    uploads: dict[str, str | None],
) -> list[Step]:
    """Write the job's network and solver into `folder`; return its commands."""
    found = bench().jobs.get(form.dataset.data or "")
    if found is None or found[0].kind != "dataset" or found[1].state != "done":
        form.refuse("dataset", "choose a dataset that is done")
        return []
    data = folder_of(found[0], bench().jobs.path(found[0].id))
    steps: list[Step] = []
    try:
        dataset = bench().datasets.get(data, bench().jobs.path(found[0].id))
        images = len(dataset.ids(dataset.splits[0]))
        names = dataset.names or dataset.manifest.get("classes")
    except (InputError, IndexError) as error:
        form.refuse("dataset", str(error))
        return []
    if not names:
        form.refuse("dataset", "its classes are not known: make it with class names")
        return []
    try:
        if form.method.data == "surgery":
            steps, net_path, weights, batch = _surgery(form, folder, names, uploads)
        else:
            net_path, weights, batch = _network(form, folder, len(names), dataset, uploads)
    except InputError as error:
        form.refuse(_field_of(form), error)
        return []
    if form.is_refused:
        return []
    try:
        dataset.check_augmentation(dataset.splits[0], augmenting.options(form.values()))
    except InputError as error:
        form.refuse("augment", error)
        return []
    batch = form.batch_size.data or batch
    if form.train_epochs.data * _epoch(form, images, batch) > _MOST_STEPS:
        form.refuse("train_epochs", f"are more steps than a solver counts, {_MOST_STEPS}")
        return []
    solver = _solver(form, rate, images, batch, net_path, bool(set(dataset.splits) & {"val"}))
    write_text(os.path.join(folder, SOLVER), solver)
    settings["iterations"] = int(solver.max_iter)
    settings["epoch"] = _epoch(form, images, batch)
    steps.append(Step("Train", _train(form, data, weights), _DONE))
    return steps


def _digits(number: float) -> str:
    """Return a number with all of its digits, for a form or a command to read again."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def _field_of(form: ModelForm) -> str:
    return {
        "surgery": "classifier",
        "standard": "standard_networks",
        "previous": "previous_networks",
        "custom": "custom_network",
    }[form.method.data]


def _once(
    form: ModelForm, uploads: dict[str, str | None], name: str, upload: str, folder: str
) -> str | None:
    """Save an upload at the first of several jobs; the others use the same file."""
    key = f"{name} {upload}"
    if key not in uploads:
        uploads[key] = place_or_upload(form, name, upload, os.path.join(folder, "uploads"))
    found = uploads[key]
    if found is None or not found.startswith(bench().jobs.folder + os.sep):
        return found
    return _kept(found, folder)


def _weights(
    form: ModelForm, uploads: dict[str, str | None], name: str, upload: str, folder: str
) -> str | None:
    """Return the path of weights, as `_once` does; what is no caffemodel is refused at its field.

    A file is mapped, not read, so that this takes no time.
    """
    path = _once(form, uploads, name, upload, folder)
    if path:
        _check(form, name, upload, lambda: read_caffemodel(path))
    return path


def _check(form: ModelForm, name: str, upload: str, work: Callable[[], Any]) -> None:
    """Call `work`; show its `InputError` at the field `upload` or `name`, whichever was used."""
    try:
        work()
    except InputError as error:
        uploaded = getattr(form[upload].data, "filename", "")
        form.refuse(upload if uploaded else name, error)


def _kept(path: str, folder: str) -> str:
    """Return the path of a file of another job in this job's folder, which needs it, too.

    The other one may be deleted, or drop a snapshot, before this one begins.
    """
    uploads = os.path.join(folder, "uploads")
    if os.path.dirname(path) == uploads:
        return path
    own = free_path(uploads, os.path.basename(path))
    try:
        os.link(path, own)
    except OSError:  # on disks that know no links
        shutil.copyfile(path, own)
    return own


def _surgery(
    form: ModelForm, folder: str, names: Sequence[str], uploads: dict[str, str | None]
) -> tuple[list[Step], str, str | None, int]:
    """Return (steps, net to train, weights, its batch size) of an FCN made from a classifier."""
    own = _once(form, uploads, "classifier_net", "classifier_net_file", folder)
    weights = _weights(form, uploads, "classifier_weights", "classifier_weights_file", folder)
    if own:
        path = own
        _check(form, "classifier_net", "classifier_net_file", lambda: networks.net_of_file(path))
    elif form.classifier.data in networks.classifiers():
        own = form.classifier.data
    elif not form.is_refused:
        form.refuse("classifier", "choose a classifier, or name its prototxt")
    if not weights and not form.is_refused:
        form.refuse(
            "classifier_weights", "surgery needs the classifier's weights: name or upload them"
        )
    if form.is_refused or not own or not weights:
        return [], "", None, 1
    arguments = ["net_surgery", "--net", own, "--weights", weights, "--classes", str(len(names))]
    arguments += ["-o", FCN, "--force"]
    if form.surgery_stride.data:
        arguments += ["--stride", form.surgery_stride.data]
    step = Step("Net surgery", arguments, Evidence(FCN))
    return [step], f"{FCN}/{TRAIN_VAL}", f"{FCN}/{FCN}.caffemodel", 1


def _network(
    form: ModelForm,
    folder: str,
    classes: int,
    dataset: OpenDataset,
    uploads: dict[str, str | None],
) -> tuple[str, str | None, int]:
    """Write the net that the form names; return (its path, weights, its batch size)."""
    method = form.method.data
    if method == "standard":
        net = networks.zoo_net(form.standard_networks.data, classes)
    elif method == "previous":
        net = networks.net_of_file(previous_net(form.previous_networks.data))
    else:
        net = networks.pasted_net(form.custom_network.data or "")
        looked = networks.look_at(form.custom_network.data or "", classes)
        if looked.troubles:
            raise InputError(looked.troubles[0].text)
    weights = _weights(form, uploads, "custom_network_snapshot", "weights_file", folder)
    if weights is None and method == "previous":
        weights = _previous_weights(form, folder)
    if form.use_mean.data in ("none", "pixel"):
        mean = mean_of(dataset.manifest) if form.use_mean.data == "pixel" else []
        if mean is None:
            raise InputError("the dataset's mean is not known")
        networks.subtract_mean(net, mean)
    os.makedirs(os.path.join(folder, NET))
    write_text(os.path.join(folder, NET, TRAIN_VAL), net)
    return f"{NET}/{TRAIN_VAL}", weights, networks.batch_size(net)


def _previous_weights(form: ModelForm, folder: str) -> str | None:
    """Return weights of another model, kept in `folder`; None where it has none."""
    found = bench().jobs.get(form.previous_networks.data)
    wanted = form.previous_snapshot.data or ""
    if wanted == NO_WEIGHTS:
        return None
    if wanted == FIRST_WEIGHTS:
        weights = _first_weights(found[0]) if found else None
        if weights and not os.path.isfile(weights):
            form.refuse("previous_snapshot", f"{os.path.basename(weights)}: is not there any more")
            return None
        return weights and _kept(weights, folder)
    try:
        weights = named(found[0], wanted) if found else None
    except InputError as error:
        form.refuse("previous_snapshot", error.text.replace("snapshot_epoch: ", ""))
        return None
    weights = weights or newest_weights(bench().jobs.path(form.previous_networks.data, RUN))
    return weights and _kept(weights, folder)


def _first_weights(job: Job) -> str | None:
    """Return the weights that a model's training began with; None where it had none."""
    arguments = list(job.steps[-1].arguments) if job.steps else []
    if "--weights" not in arguments:
        return None
    return bench().jobs.path(job.id, arguments[arguments.index("--weights") + 1])


def previous_net(id_: str) -> str:
    """Return the path of the net that another model trains."""
    found = bench().jobs.get(id_)
    if found is not None and found[0].kind == "model":
        for place in (NET, FCN):
            path = bench().jobs.path(id_, place, TRAIN_VAL)
            if os.path.isfile(path):
                return path
    raise InputError("that model has no network yet")


def _epoch(form: ModelForm, images: int, batch: int) -> int:
    """Return the number of steps in which every training image is seen once."""
    processes = 1 if form.select_gpu.data else form.processes.data or 1
    return max(1, math.ceil(images / (batch * processes * (form.batch_accumulation.data or 1))))


def _solver(
    form: ModelForm, rate: float, images: int, batch: int, net: str, has_val: bool
) -> pb.SolverParameter:
    """Return the solver, its times in iterations."""
    epoch = _epoch(form, images, batch)
    total = max(1, math.ceil(form.train_epochs.data * epoch))
    solver = pb.SolverParameter(net=net, base_lr=rate, max_iter=total, type=form.solver_type.data)
    solver.snapshot_prefix = "snapshot"
    solver.iter_size = form.batch_accumulation.data or 1
    if form.solver_type.data not in ("AdaGrad", "RMSProp"):  # these have none, as Caffe checks
        solver.momentum = form.momentum.data
    solver.weight_decay = form.weight_decay.data
    # Times past the end of the run are past it, however far.
    solver.snapshot = min(round(form.snapshot_interval.data * epoch), _MOST_STEPS)
    if has_val and form.val_interval.data:
        solver.test_interval = min(max(1, round(form.val_interval.data * epoch)), _MOST_STEPS)
        solver.test_iter.append(1)  # `train` counts the batches of the dataset
    solver.test_initialization = False
    solver.average_loss = 20
    solver.display = max(1, min(20, total // 50))
    if form.random_seed.data is not None:
        solver.random_seed = form.random_seed.data
    if form.lr_warm_up.data:
        solver.rampup_interval = min(max(1, round(form.lr_warm_up.data * epoch)), _MOST_STEPS)
    if form.lr_min.data:
        solver.min_lr = form.lr_min.data
    _set_policy(solver, form, total)
    return solver


def _set_policy(solver: pb.SolverParameter, form: ModelForm, total: int) -> None:
    policy = solver.lr_policy = form.lr_policy.data
    percent = total / 100
    if policy == "step":
        solver.stepsize = max(1, round(form.lr_step_size.data * percent))
        solver.gamma = form.lr_step_gamma.data
    elif policy == "multistep":
        values = numbers(form.lr_multistep_values.data)
        solver.stepvalue.extend(max(1, round(value * percent)) for value in values)
        solver.gamma = form.lr_multistep_gamma.data
    elif policy == "exp":
        solver.gamma = form.lr_exp_gamma.data ** (1 / max(percent, 0.01))
    elif policy == "inv":
        solver.gamma, solver.power = form.lr_inv_gamma.data, form.lr_inv_power.data
    elif policy == "poly":
        solver.power = form.lr_poly_power.data
    elif policy == "sigmoid":
        solver.stepsize = max(1, round(form.lr_sigmoid_step.data * percent))
        solver.gamma = -form.lr_sigmoid_gamma.data / max(percent, 0.01)


def _train(form: ModelForm, data: str, weights: str | None) -> list[str]:
    arguments = ["train", SOLVER, "--data", data, "-o", RUN, "--resume"]
    if weights:
        arguments += ["--weights", weights]
    if form.batch_size.data:
        arguments += ["--batch-size", str(form.batch_size.data)]
    augment = augmenting.texts(form.values())
    if augment is not None:
        arguments += ["--augment", *augment]
    if form.class_weights.data:
        arguments += ["--class-weights", _digits(form.class_weights.data)]
    if form.method.data in ("custom", "standard") or not weights:
        arguments += ["--fill", "msra"]
    if form.loss.data:
        arguments += ["--loss", form.loss.data, *form.loss_options.data.split()]
    if form.keep_snapshots.data:
        arguments += ["--keep", str(form.keep_snapshots.data)]
    if form.patience.data:
        arguments += ["--patience", str(form.patience.data)]
    if form.precision.data != "float32":
        arguments += ["--precision", form.precision.data]
    if form.recompute.data:
        arguments.append("--recompute")
    if form.sync_batch_norm.data:
        arguments.append("--sync-batch-norm")
    if form.select_gpu.data:
        arguments += ["--gpu", form.select_gpu.data]
    elif (form.processes.data or 1) > 1:
        arguments += ["--processes", str(form.processes.data)]
    return arguments


def _name_of(form: ModelForm) -> str:
    if form.method.data == "surgery":
        return f"FCN of {form.classifier.data or 'a classifier'}"
    if form.method.data == "standard":
        return str(form.standard_networks.data)
    if form.method.data == "previous":
        found = bench().jobs.get(form.previous_networks.data)
        return f"{found[0].name}, again" if found else "model"
    return "model"
