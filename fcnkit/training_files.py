"""A run's solver and nets, made from the user's files: sources set, stages chosen, paths absolute.

The nets of a run are written into its output folder with exactly the layers that run, so that the
folder says what was trained, and so that `caffe train` of any Caffe can take its `solver.prototxt`.
"""

import json
import math
import os

import caffeformat
from caffeformat import (
    InputError,
    filter_net,
    format_text,
    parse_text,
    pb,
    read_net,
    read_solver,
    write_text,
)
from caffeformat.lr_policy import learning_rate

from . import networks
from .class_weights import weigh_loss
from .datasets import open_dataset
from .joint_data import count_classes, is_segmentation_data, options_of, set_options


class RunFiles:
    """The messages of one run, changed step by step before `write`.

    Attributes: `solver` (SolverParameter), `train` (NetParameter), `tests` (list of NetParameter),
    `deploy` (NetParameter, all-in-one or as near as there is), `notes` (list of str for the user).
    Test nets that the solver says nothing about (`test_iter`) are there if their data is.
    """

    def __init__(self, solver_path):
        self.path = os.fspath(solver_path)
        self.solver = read_solver(solver_path)
        self.notes = []
        solver = self.solver
        self._all_in_one = self._net(solver.net, solver, "net_param")
        weights = [self.find(path) for path in solver.weights]
        del solver.weights[:]
        solver.weights.extend(weights)
        train = self._net(solver.train_net, solver, "train_net_param") or self._all_in_one
        if train is None:
            raise InputError(f"{self.path}: names no net; expected net: or train_net:")
        self.train = _layers_of(train, pb.TRAIN, solver.train_state, "train")
        tests = [self._inlined(net) for net in solver.test_net_param]
        tests += [self._net(path) for path in solver.test_net]
        if self._all_in_one is not None:
            wanted = max(len(solver.test_iter), 1 if not tests else 0)
            tests += [self._all_in_one] * (wanted - len(tests))
        states = list(solver.test_state) + [pb.NetState()] * len(tests)
        self.tests = [_layers_of(net, pb.TEST, state, "val") for net, state in zip(tests, states)]
        if not solver.test_iter:
            # Without test_iter Caffe runs no test; a net that has validation data gets one.
            self.tests = [net for net in self.tests if networks.data_layers(net)]
        self.deploy = self._all_in_one or (tests or [train])[0]

    def _net(self, path, solver=None, field=None):
        """The net in the file `path`, or inlined in the solver's `field`, or None."""
        if path:
            return read_net(self.find(path))
        if field and solver.HasField(field):
            return self._inlined(getattr(solver, field))
        return None

    def _inlined(self, net):
        upgraded = pb.NetParameter()
        upgraded.CopyFrom(net)
        caffeformat.upgrade_net(upgraded)
        return upgraded

    def find(self, path):
        """`path` as an absolute path: from the current folder, as in Caffe, or the solver's."""
        beside = os.path.join(os.path.dirname(os.path.abspath(self.path)), path)
        for candidate in (os.path.abspath(path), beside):
            if os.path.exists(candidate):
                return candidate
        raise InputError(
            f"{self.path}: names {path}, which is neither in the current folder nor beside the "
            "solver"
        )

    def override(self, assignments):
        """Set fields of the solver from (name, value) pairs of text, as in its file."""
        for name, value in assignments:
            source = f"--set {name}={value}"
            if name not in pb.SolverParameter.DESCRIPTOR.fields_by_name:
                raise InputError(f"{source}: a solver has no field {name}")
            field = pb.SolverParameter.DESCRIPTOR.fields_by_name[name]
            text = value
            if field.type == field.TYPE_STRING and not value.startswith(('"', "'")):
                text = json.dumps(value)
            changed = parse_text(f"{name}: {text}", pb.SolverParameter, source)
            self.solver.ClearField(name)
            self.solver.MergeFrom(changed)

    def set_batch_size(self, size):
        """Change how many images the training net's data layers bring at a time."""
        for layer in networks.data_layers(self.train):
            if layer.type == "Data":
                layer.data_param.batch_size = size
            elif is_segmentation_data(layer):
                set_options(layer, batch_size=size)

    def set_sources(self, data):
        """Point data layers without a source at the dataset folder `data` (or None).

        Data layers read `<data>/train_db` or `val_db`, `labels` where the top is called so and
        `features` otherwise. Raises `InputError` where a source is missing.
        """
        for net, split in self.splits():
            for layer in networks.data_layers(net):
                if layer.type == "Data":
                    self._set_source(layer, split, data)
                elif is_segmentation_data(layer) and not options_of(layer).get("source"):
                    if data is None:
                        raise InputError(
                            f"layer {layer.name!r} has no source: say --data FOLDER, a dataset"
                        )
                    set_options(layer, source=os.path.abspath(data), split=split)

    def _set_source(self, layer, split, data):
        param = layer.data_param
        if param.source:
            param.source = self.find(param.source)
            if data is not None:
                self.notes.append(f"layer {layer.name} keeps its own source {param.source}")
        elif data is None:
            raise InputError(
                f"layer {layer.name!r} has no source: say --data FOLDER, an output of create_lmdb"
            )
        else:
            kind = "labels" if networks.is_label(layer.top[0]) else "features"
            param.source = os.path.join(os.path.abspath(data), f"{split}_db", kind)
            param.backend = pb.DataParameter.LMDB
        if not param.batch_size:
            param.batch_size = 1
        if layer.transform_param.mean_file:
            layer.transform_param.mean_file = self.find(layer.transform_param.mean_file)

    def splits(self):
        """(net, "train" or "val") of every net in the run."""
        return [(self.train, "train")] + [(net, "val") for net in self.tests]

    def weigh_classes(self, data, power, folder):
        """Weigh the training loss by the classes' frequency in `data`; see `weigh_loss`."""
        classes = count_classes(self.train)
        if data is None or classes is None:
            raise InputError("class weights need --data FOLDER, and a net that scores classes")
        weights = weigh_loss(self.train, data, classes, power, folder)
        self.notes.append("class weights: " + ", ".join(f"{weight:.3g}" for weight in weights))

    def drop_validation(self):
        """Train without test nets."""
        self.tests = []

    def batch_size(self, net):
        """Images that a pass through `net` reads, or None where its text does not say."""
        for layer in networks.data_layers(net):
            if layer.type == "Data":
                return layer.data_param.batch_size
            if is_segmentation_data(layer):
                return options_of(layer).get("batch_size", 1)
        return None

    def images(self, net):
        """Number of images in the dataset that `net` reads, or None where that is not known.

        Opens it, so that what is wrong with a dataset is said before an engine starts.
        """
        for layer in networks.data_layers(net):
            if layer.type == "Data":
                if not os.path.isdir(layer.data_param.source):
                    raise InputError(
                        f"{layer.data_param.source}: no such database: make it with create_lmdb "
                        "(folders of images are read with --augment)"
                    )
                backend = "LMDB" if layer.data_param.backend == pb.DataParameter.LMDB else "LEVELDB"
                with caffeformat.open_database(layer.data_param.source, backend) as database:
                    return len(database)
            if is_segmentation_data(layer):
                options = options_of(layer)
                with open_dataset(options["source"], options.get("split", "train")) as dataset:
                    return len(dataset)
        return None

    def set_test_iterations(self):
        """Let every test run over its whole dataset once.

        Raises `InputError` for a test net whose dataset is unknown and that has no `test_iter`.
        """
        counts = list(self.solver.test_iter)
        counts += [0] * (len(self.tests) - len(counts))
        for number, net in enumerate(self.tests):
            images, batch = self.images(net), self.batch_size(net)
            if images is not None:
                counts[number] = math.ceil(images / batch)
            elif not counts[number]:
                raise InputError(
                    f"{self.path}: nobody says how many passes a test of net {net.name!r} takes: "
                    "say --set test_iter=N, or --no-validation"
                )
        del self.solver.test_iter[:]
        self.solver.test_iter.extend(counts)

    def set_seed(self):
        """Give the solver a seed where it has none, so that a run can be repeated; our data too."""
        if self.solver.random_seed < 0:
            self.solver.random_seed = 1
        for layer in networks.data_layers(self.train):
            if is_segmentation_data(layer) and "seed" not in options_of(layer):
                set_options(layer, seed=self.solver.random_seed)

    def set_intervals(self, images, epochs=None):
        """Fill in what the solver leaves open: steps, display and test intervals.

        `images` is the size of the training data (or None), `epochs` how often to go through it.
        """
        solver = self.solver
        batch = (self.batch_size(self.train) or 1) * solver.iter_size
        epoch = math.ceil(images / batch) if images else None
        if epochs is not None:
            if epoch is None:
                raise InputError("--epochs needs a dataset of known size: say --iterations")
            solver.max_iter = math.ceil(epochs * epoch)
        if solver.max_iter < 1:
            raise InputError(f"{self.path}: has no max_iter: say --iterations N or --epochs N")
        if not solver.lr_policy:
            solver.lr_policy = "fixed"
            self.notes.append("the solver names no lr_policy: the learning rate stays fixed")
        if solver.base_lr <= 0:
            raise InputError(f"{self.path}: base_lr is {solver.base_lr:g}: say --base-lr")
        learning_rate(solver, 0)  # refuses an unknown policy before an engine would end the process
        if not solver.display:
            solver.display = max(1, min(20, solver.max_iter // 20))
        if self.tests and not solver.test_interval:
            solver.test_interval = epoch or max(1, solver.max_iter // 10)

    def write(self, folder, image_shape):
        """Write `solver.prototxt` and its nets into `folder`; returns the solver's path.

        Beside them goes `deploy.prototxt`, for images of `image_shape` (height, width).
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
            networks.deploy_net(self.deploy, image_shape)[0],
        )
        path = os.path.join(folder, "solver.prototxt")
        write_text(path, solver)
        return path

    def stepwise_text(self):
        """The text of the solver for an engine that is stepped from outside.

        It tests, displays and takes snapshots only when it is told to, since the recipe does all
        three itself in the same way on every engine.
        """
        quiet = pb.SolverParameter()
        quiet.CopyFrom(self.solver)
        quiet.display, quiet.snapshot, quiet.test_initialization = 0, 0, False
        if self.tests:
            quiet.test_interval = 2**31 - 1
        return format_text(quiet)


def _layers_of(net, phase, state, stage):
    """`net` with the layers of `phase` and the state's stages, or of `stage` where it has none."""
    chosen = filter_net(net, phase, state.level, list(state.stage) or [stage])
    for layer in chosen.layer:
        del layer.include[:], layer.exclude[:]
    return chosen
