"""A run's solver and nets, made from the user's files: sources set, stages chosen, paths absolute.

A run's nets are written into its output folder with exactly the layers that run, so that the folder
records what was trained and `caffe train` of any Caffe can use its `solver.prototxt`.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from typing import TYPE_CHECKING, Any

import caffeformat
from caffeformat import (
    InputError,
    filter_net,
    parse_text,
    pb,
    read_net,
    read_solver,
    write_text,
)
from caffeformat.messages import refuse_effects
from fcnkit import nets
from fcnkit.datasets import (
    DatasetFolder,
    is_berkeley,
    is_segmentation_data,
    options_of,
    seed_berkeley,
    set_options,
)
from fcnkit.images import ImageForm

from . import augmented
from .augmented import batch_size
from .loss import weigh_loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fcnkit.datasets import SegmentationDataset


class RunFiles:
    """The messages of one run, changed step by step before `write`.

    `dataset` is for data layers that name no source of their own.

    Attributes: `path` (of the solver's file), `solver`, `train` (the training net), `tests` (the
    test nets), `deploy` (the all-in-one net, or the nearest there is to a deploy net), `notes`
    (remarks for the user), `form` and `bands` (what `settle_images` finds out of the images). A
    solver without `test_iter` gets the test nets that read validation data.
    """

    def __init__(
        self, solver_path: str | os.PathLike[str], dataset: DatasetFolder | None = None
    ) -> None:
        self.path = os.fspath(solver_path)
        self._dataset = dataset
        self.solver = read_solver(solver_path)
        refuse_effects(self.solver)  # before anything is written
        self.notes: list[str] = []
        self.form, self.solvers = ImageForm(), 1
        self.bands: tuple[int, ...] | None = None
        solver = self.solver
        all_in_one = self._net(solver.net, solver.net_param)
        # Each entry may hold several, as with `caffe train -weights`.
        weights = [self.find(path.strip()) for paths in solver.weights for path in paths.split(",")]
        del solver.weights[:]
        solver.weights.extend(weights)
        train = self._net(solver.train_net, solver.train_net_param) or all_in_one
        if train is None:
            raise InputError(f"{self.path}: names no net; expected net: or train_net:")
        self.train = _layers_of(train, pb.TRAIN, solver.train_state, "train")
        tests = [_upgraded(net) for net in solver.test_net_param]
        tests += [read_net(self.find(path)) for path in solver.test_net]
        if all_in_one is not None:
            wanted = max(len(solver.test_iter), 1 if not tests else 0)
            tests += [all_in_one] * (wanted - len(tests))
        states = list(solver.test_state) + [pb.NetState()] * len(tests)
        self.tests = [_layers_of(net, pb.TEST, state, "val") for net, state in zip(tests, states)]
        if not solver.test_iter:
            # Without test_iter Caffe does not test; here a net that has validation data is tested.
            self.tests = [net for net in self.tests if nets.data_layers(net)]
        self.deploy = all_in_one or (tests or [train])[0]

    def _net(self, path: str, inline: pb.NetParameter) -> pb.NetParameter | None:
        """Return the net in the file `path`, else the `inline` one; None where that is empty."""
        if path:
            return read_net(self.find(path))
        return _upgraded(inline) if inline.ByteSize() else None

    def find(self, path: str) -> str:
        """Return `path` as an absolute path, from the current folder (as in Caffe) or the solver's.

        Raises `InputError` where the file is in neither place.
        """
        beside = os.path.join(os.path.dirname(os.path.abspath(self.path)), path)
        for candidate in (os.path.abspath(path), beside):
            if os.path.exists(candidate):
                return candidate
        raise InputError(
            f"{self.path}: names {path}, which is neither in the current folder nor beside the "
            "solver"
        )

    def override(self, assignments: Iterable[tuple[str, str]]) -> None:
        """Set fields of the solver from (name, value) pairs of text, spelled as in its file.

        Of several values of a field the last one counts; repeated fields, such as stepvalue, have
        them all.
        """
        seen: set[str] = set()
        for name, value in assignments:
            set_field(self.solver, name, value, is_next=name in seen)
            seen.add(name)

    def set_batch_size(self, size: int) -> None:
        """Set how many images the training net's data layers read per pass."""
        augmented.set_batch_size(self.train, size)

    def augment(self, options: Mapping[str, Any]) -> None:
        """Replace the Data layers of all nets by SegmentationData layers on the dataset.

        `options` (crop, scale, flip, ...) apply to the training net; test nets read whole images.
        Raises `InputError` where a net does not read one image and one label, or without a dataset.
        """
        if self._dataset is None:
            raise InputError("augmentation needs a dataset folder: pass {data}", option="data")
        for net, split in self.splits():
            augmented.augment_net(net, split, self._dataset.path, options, self.find)

    def set_sources(self) -> None:
        """Point data layers without a source at the dataset.

        Data layers read its `train_db` or `val_db`: `labels` there if the top has that name,
        `features` otherwise. Raises `InputError` where a source is missing.
        """
        data = None if self._dataset is None else os.path.abspath(self._dataset.path)
        for net, split in self.splits():
            for layer in nets.data_layers(net):
                if layer.type == "Data":
                    self._set_source(layer, split, data)
                elif is_segmentation_data(layer) and not options_of(layer).get("source"):
                    if data is None:
                        raise InputError(
                            f"layer {layer.name!r} has no source: pass {{data}}, a dataset folder",
                            option="data",
                        )
                    set_options(layer, source=data, split=split)

    def _set_source(self, layer: pb.LayerParameter, split: str, data: str | None) -> None:
        param = layer.data_param
        if param.source:
            param.source = self.find(param.source)
            if data is not None:
                self.notes.append(f"layer {layer.name} keeps its own source {param.source}")
        elif data is None:
            raise InputError(
                f"layer {layer.name!r} has no source: pass {{data}}, an output of create_lmdb",
                option="data",
            )
        else:
            kind = "labels" if nets.is_label(layer.top[0]) else "features"
            param.source = os.path.join(data, f"{split}_db", kind)
            param.backend = pb.DataParameter.LMDB
        if not param.batch_size:
            param.batch_size = 1
        if layer.transform_param.mean_file:
            layer.transform_param.mean_file = self.find(layer.transform_param.mean_file)

    def splits(self) -> list[tuple[pb.NetParameter, str]]:
        """Return (net, "train" or "val") for every net of the run."""
        return [(self.train, "train")] + [(net, "val") for net in self.tests]

    def weigh_classes(self, power: float, folder: str | os.PathLike[str]) -> None:
        """Weigh the training loss by the classes' frequency in the dataset; see `weigh_loss`."""
        classes = nets.count_classes(self.train)
        if self._dataset is None or classes is None:
            raise InputError(
                "class weights need a dataset folder ({data}) and a net that scores classes",
                option="data",
            )
        weights = weigh_loss(self.train, self._dataset.split("train"), classes, power, folder)
        self.notes.append("class weights: " + ", ".join(f"{weight:.3g}" for weight in weights))

    def drop_validation(self) -> None:
        """Train without test nets."""
        self.tests = []

    def input_settings(self) -> tuple[list[float] | None, float]:
        """Return mean (blue, green, red; or None) and scale of the images that the net reads."""
        mean, scale = None, 1.0
        for layer in nets.data_layers(self.train):
            if not all(nets.is_label(top) for top in layer.top):
                options = augmented.transform_of(layer, self.find)
                mean, scale = options.get("mean"), options.get("input_scale", 1.0)
        return mean, scale

    def images(self, net: pb.NetParameter) -> int | None:
        """Return the number of images in the dataset that `net` reads, None where it is not known.

        Opens the dataset, so that faults in it are reported before an engine starts.
        """
        for layer in nets.data_layers(net):
            if layer.type == "Data":
                if not os.path.isdir(layer.data_param.source):
                    raise InputError(
                        f"{layer.data_param.source}: no such database: make it with create_lmdb, "
                        "or pass {augment} to read folders of images"
                        + ("" if net is self.train else ", or train without validation"),
                        option="augment",
                    )
                backend = "LMDB" if layer.data_param.backend == pb.DataParameter.LMDB else "LEVELDB"
                with caffeformat.open_database(layer.data_param.source, backend) as database:
                    return len(database)
            if is_segmentation_data(layer):
                with self._read_by(layer) as dataset:
                    return len(dataset)
        return None

    def sizes(self, layer: pb.LayerParameter) -> Iterator[tuple[int, int]]:
        """The (height, width) of each image that a SegmentationData layer reads."""
        with self._read_by(layer) as dataset:
            yield from map(dataset.size, range(len(dataset)))

    @contextlib.contextmanager
    def _read_by(self, layer: pb.LayerParameter) -> Iterator[SegmentationDataset]:
        """The dataset that a SegmentationData layer reads; that of the run stays open."""
        options = options_of(layer)
        split = options.get("split", "train")
        if self._dataset and os.path.abspath(self._dataset.path) == options["source"]:
            yield self._dataset.split(split)
        else:
            with DatasetFolder(options["source"]) as folder:
                yield folder.split(split)

    def set_test_iterations(self) -> None:
        """Let every test cover its whole dataset once.

        Raises `InputError` for a test net whose dataset is unknown and that has no `test_iter`.
        """
        counts = list(self.solver.test_iter)
        counts += [0] * (len(self.tests) - len(counts))
        for number, net in enumerate(self.tests):
            images, batch = self.images(net), batch_size(net)
            if images is not None and batch:
                counts[number] = math.ceil(images / batch)
            elif not counts[number]:
                raise InputError(
                    f"{self.path}: test_iter does not specify how many passes a test of net "
                    f"{net.name!r} takes, and the size of its dataset is unknown: set test_iter, "
                    "or train without validation"
                )
        del self.solver.test_iter[:]
        self.solver.test_iter.extend(counts)

    def set_seed(self) -> None:
        """Give solver and Python data layers a seed where they have none: the run is repeatable."""
        if self.solver.random_seed < 0:
            self.solver.random_seed = 1
        for layer in nets.data_layers(self.train):
            if is_segmentation_data(layer) and "seed" not in options_of(layer):
                set_options(layer, seed=self.solver.random_seed)
            elif is_berkeley(layer):
                seed_berkeley(layer, self.solver.random_seed)

    def write(self, folder: str, image_shape: tuple[int, int]) -> str:
        """Write `solver.prototxt` and its nets into `folder`; returns the solver's path.

        Also writes `deploy.prototxt`, for images of `image_shape` (height, width) or, where the net
        does not take that, the nearest size.
        """
        solver = self.solver
        for field in ("net", "net_param", "train_net_param", "train_state"):
            solver.ClearField(field)
        del solver.test_net[:], solver.test_net_param[:], solver.test_state[:]
        solver.train_net = os.path.join(folder, "train.prototxt")
        write_text(solver.train_net, self.train)
        for number, net in enumerate(self.tests):
            path = os.path.join(folder, f"val{f'_{number}' if number else ''}.prototxt")
            write_text(path, net)
            solver.test_net.append(path)
        if not self.tests:
            del solver.test_iter[:]
            solver.ClearField("test_interval")
        write_text(
            os.path.join(folder, "deploy.prototxt"),
            fitted_deploy_net(self.deploy, image_shape, self.form.channels),
        )
        path = os.path.join(folder, "solver.prototxt")
        write_text(path, solver)
        return path

    def stepwise(self) -> pb.SolverParameter:
        """Return the solver for an engine that is stepped from outside.

        This solver does not test, display or take snapshots by itself: `train` does all three, in
        the same way on every engine.
        """
        quiet = pb.SolverParameter()
        quiet.CopyFrom(self.solver)
        quiet.display, quiet.snapshot, quiet.test_initialization = 0, 0, False
        if self.tests:
            quiet.test_interval = 2**31 - 1
        return quiet


def set_field(solver: pb.SolverParameter, name: str, value: str, is_next: bool = False) -> None:
    """Set a field of `solver` from text, spelled as in its file; `InputError` if it cannot be.

    `is_next`: a repeated field gets the value behind those that it has.
    """
    source = f"{name}={value}"
    if name not in pb.SolverParameter.DESCRIPTOR.fields_by_name:
        raise InputError(f"{source}: a solver has no field {name}")
    field = pb.SolverParameter.DESCRIPTOR.fields_by_name[name]
    text = value
    if field.type == field.TYPE_STRING and not value.startswith(('"', "'")):
        text = json.dumps(value)
    changed = parse_text(f"{name}: {text}", pb.SolverParameter, source)
    is_repeated = hasattr(getattr(solver, name), "extend")
    if not (is_next and is_repeated):
        solver.ClearField(name)
    solver.MergeFrom(changed)


def fitted_deploy_net(
    net: pb.NetParameter, image_shape: tuple[int, int], channels: int | None = None
) -> pb.NetParameter:
    """The net for inference, for images of `image_shape` or the nearest size that it takes."""
    made, image = nets.deploy_net(net, image_shape, channels)
    score = nets.score_blob(made, image)
    if score is None or any(layer.type == "Input" for layer in net.layer):
        return made
    size = nets.ImageSizes(made, image, score).nearest(image_shape)
    return made if size == image_shape else nets.deploy_net(net, size, channels)[0]


def _upgraded(net: pb.NetParameter) -> pb.NetParameter:
    upgraded = pb.NetParameter()
    upgraded.CopyFrom(net)
    caffeformat.upgrade_net(upgraded)
    return upgraded


def _layers_of(net: pb.NetParameter, phase: int, state: pb.NetState, stage: str) -> pb.NetParameter:
    """Return `net` with the layers of `phase` and the state's stages, `stage` if it has none."""
    chosen = filter_net(net, phase, state.level, list(state.stage) or [stage])
    for layer in chosen.layer:
        del layer.include[:], layer.exclude[:]
    return chosen
