"""The form of a new model. Fields have DIGITS' names; times are in epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wtforms
from flask_wtf.file import FileField
from wtforms import validators

from caffeformat import InputError
from fcnkit.losses import LOSSES, parse_loss

from . import augmenting, networks
from .bench import bench
from .fields import BenchForm, choices, number, place, select, text

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS = [
    ("surgery", "Net surgery on a classifier"),
    ("standard", "A network of the zoo"),
    ("previous", "Another model of this workbench"),
    ("custom", "A prototxt of your own"),
]
POLICIES = [
    ("poly", "Polynomial decay to zero"),
    ("fixed", "Fixed"),
    ("step", "Step down"),
    ("multistep", "Step down at chosen times"),
    ("exp", "Exponential decay"),
    ("inv", "Inverse decay"),
    ("sigmoid", "Sigmoid decay"),
    ("cosine", "Half a cosine, to zero"),
    ("linear", "A straight line, to zero"),
]
SOLVERS = [(name, name) for name in ("SGD", "Nesterov", "Adam", "AdaGrad", "AdaDelta", "RMSProp")]
_MOST = 40  # datasets and models in a list; older ones are reached from their own pages
_MAX_RATES = 20  # of one sweep
_MOST_SEED = 2**32 - 100  # 32 bits, with room for one of each process


def numbers(text_: str) -> list[float]:
    """Return the numbers of a list such as `0.01, 0.001` or `[0.01, 0.001]`."""
    return [float(part) for part in text_.strip("[] ").replace(";", ",").split(",") if part.strip()]


def _solver_name(value: Any) -> Any:
    """Return a solver's name as Caffe spells it; DIGITS' clients write it in capitals."""
    found = {name.lower(): name for name, _ in SOLVERS}
    return found.get(str(value).lower(), value)


def _shown(pairs: list[tuple[str, str]], chosen: str | None, what: str) -> list[tuple[str, str]]:
    """Return the newest of the (id, name) pairs, and the chosen one.

    Where that is not among them, nothing is chosen in its place.
    """
    if not pairs:
        return [("", f"There is no {what} yet")]
    found = pairs[:_MOST] + [pair for pair in pairs[_MOST:] if pair[0] == chosen]
    if chosen not in (None, "", "None") and chosen not in dict(found):
        found.insert(0, ("", f"Choose a {what}: the previous one is not there"))
    return found


@augmenting.with_fields
class ModelForm(BenchForm):
    """What is trained, on what, from where and how; augmentation has fields of its own."""

    model_name = text("Name")
    dataset = select("Dataset", [("", "")], validate_choice=False)  # its job is looked at
    framework = wtforms.HiddenField(default="caffe")
    method = select("Network", METHODS)

    # surgery
    classifier = select("Classifier", [("", "")], hint="Its layers are found by this network.")
    classifier_net = place("Its prototxt, if it is none of these", "A deploy.prototxt.")
    classifier_net_file = FileField("Or upload the prototxt")
    classifier_weights = place("Its weights", "A .caffemodel on the server.")
    classifier_weights_file = FileField("Or upload the weights")
    surgery_stride = select(
        "Detail",
        [("", "As the classifier"), ("32", "Stride 32"), ("16", "Stride 16"), ("8", "Stride 8"),
         ("4", "Stride 4"), ("2", "Stride 2")],
        hint="Stride of the finest features that are scored; smaller ones draw finer borders.",
    )  # fmt: skip
    # standard
    standard_networks = select("Network of the zoo", [("", "")])
    # previous
    previous_networks = select("Model", [("", "")])
    previous_snapshot = select(
        "Its weights",
        [("", "The newest"), ("best", "The best by validation mean IoU")],
        hint="In scripts also an epoch, a step such as i2000, none, or first: those that it began "
        "with.",
        validate_choice=False,
    )
    # custom
    custom_network = wtforms.TextAreaField(
        "Prototxt",
        description="One net with include rules for TRAIN and TEST, as for DIGITS. Data layers "
        "have no source; the label's top is called label.",
        render_kw={"rows": 10, "spellcheck": "false"},
    )
    custom_network_snapshot = place("Weights to start from", "A .caffemodel on the server.")
    weights_file = FileField("Or upload weights")

    # solver, in epochs
    train_epochs = number("Epochs", float, 10, 0.001, 100000)
    snapshot_interval = number("Snapshot every", float, 1, 0, 100000, "Epochs; 0: only at the end.")
    val_interval = number("Validate every", float, 1, 0, 100000, "Epochs; 0: never.")
    batch_size = number("Batch size", int, None, 1, 4096, "Empty: the network's.")
    batch_accumulation = number("Batches per step", int, None, 1, 4096, "Gradients add up.")
    learning_rate = text("Learning rate", "0.001", "Several, separated by commas, make a sweep.")
    solver_type = select("Solver", SOLVERS, filters=[_solver_name])
    momentum = number("Momentum", float, 0.9, 0, 0.9999)
    weight_decay = number("Weight decay", float, 0.0005, 0, 10)
    lr_policy = select("Policy", POLICIES)
    lr_step_size = number("Step after", float, 33, 0.001, 100, "Per cent of the run.")
    lr_step_gamma = number("Step factor", float, 0.1, 0, 1000)
    lr_multistep_values = text("Steps after", "50, 85", "Per cent of the run.")
    lr_multistep_gamma = number("Factor", float, 0.1, 0, 1000)
    lr_exp_gamma = number("Factor per step", float, 0.95, 0, 1, "Over one per cent of the run.")
    lr_inv_gamma = number("Gamma", float, 0.1, 0, 1000)
    lr_inv_power = number("Power", float, 0.5, 0, 1000)
    lr_poly_power = number("Power", float, 0.9, 0, 1000)
    lr_sigmoid_step = number("Middle", float, 50, 0, 100, "Per cent of the run.")
    lr_sigmoid_gamma = number("Steepness", float, 0.1, 0, 1000)
    lr_warm_up = number(
        "Warm-up", float, None, 0, 100000, "Epochs in which the rate rises from 0. Empty: none."
    )
    lr_min = number("Smallest rate", float, None, 0, 1e6, "Empty: none.")
    loss = select(
        "Loss", [("", "The network's"), *((name, name.replace("_", " ")) for name in LOSSES)]
    )
    loss_options = text(
        "Its options",
        hint="KEY=VALUE, separated by blanks: gamma=2 of focal, threshold=0.7 keep=0.0625 of hard "
        "pixels, smooth=1 squared=no present=yes of dice; softmax=N adds N times the softmax loss.",
    )
    keep_snapshots = number(
        "Snapshots kept", int, None, 1, 100000, "Empty: all. The best weights stay in any case."
    )
    patience = number(
        "Patience", int, None, 1, 100000,
        "Validations without a better mean IoU that end the run. Empty: none do.",
    )  # fmt: skip
    random_seed = number("Seed", int, None, 0, _MOST_SEED)
    select_gpu = select("Device", [("", "CPU")])
    processes = number("Processes", int, None, 1, 64, "On the CPU, each with a batch of its own.")
    sync_batch_norm = wtforms.BooleanField(
        "One BatchNorm for all processes", description="It normalizes by the batches of all."
    )
    precision = select(
        "Precision", [(name, name) for name in ("float32", "bfloat16", "float16")],
        hint="In which nets compute; weights are float32 in any case.",
    )  # fmt: skip
    recompute = wtforms.BooleanField(
        "Compute activations twice", description="Takes less memory and more time."
    )

    # data
    use_mean = select(
        "Subtract",
        [("", "What the network says"), ("none", "Nothing"), ("pixel", "The dataset's mean")],
    )
    class_weights = number(
        "Weigh rare classes", float, None, 0, 1, "Power of the median frequency: 0.5 is mild."
    )

    # Options of DIGITS that say nothing here.
    shuffle = wtforms.HiddenField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = bench().jobs.all()
        datasets = [(j.id, j.name) for j, s in found if j.kind == "dataset" and s.state == "done"]
        models = [(j.id, j.name) for j, _ in found if j.kind == "model"]
        self.dataset.choices = choices(_shown(datasets, self.dataset.data, "dataset"))
        models = _shown(models, self.previous_networks.data, "model")
        self.previous_networks.choices = choices(models)
        known = [(name, name) for name in networks.classifiers()]
        self.classifier.choices = choices([*known, ("", "Another one")])
        if self.classifier.data in (None, "None") and known:
            self.classifier.data = known[0][0]
        zoo = [(name, name) for name in networks.segmentation_networks()]
        self.standard_networks.choices = choices(zoo)
        snapshot = self.previous_snapshot.data
        if snapshot and snapshot not in ("None", "best"):
            known_ones = self.previous_snapshot.choices
            self.previous_snapshot.choices = [*known_ones, *choices([(snapshot, snapshot)])]
        if self.select_gpu.data == "next":  # as DIGITS has it: the next one that is free
            self.select_gpu.data = str(bench().settings.gpus[0]) if bench().settings.gpus else ""
        gpus = [(str(n), f"GPU {n}") for n in bench().settings.gpus]
        self.select_gpu.choices = choices([("", "CPU"), *gpus])
        for name in ("previous_networks", "classifier", "standard_networks"):
            self[name].validate_choice = self.method.data == _METHOD_OF[name]
        self.batch_accumulation.default = 1  # which scripts may leave out
        if self.batch_accumulation.data is None:
            self.batch_accumulation.data = 1

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Look at each field, and at augmentation as a whole."""
        super().validate(*args, **kwargs)
        augmenting.check(self)
        return not self.is_refused

    def validate_framework(self, field: wtforms.Field) -> None:
        """Accept DIGITS' name of the one framework there is."""
        if field.data not in (None, "", "caffe"):
            raise validators.ValidationError(f"{field.data}: expected caffe")

    def validate_learning_rate(self, field: wtforms.Field) -> None:
        """Expect one rate or several."""
        try:
            found = numbers(field.data)
        except ValueError:
            found = []
        if not found or len(found) > _MAX_RATES or not all(1e-30 < rate < 1e6 for rate in found):
            raise validators.ValidationError(
                f"expected a number above 0, or up to {_MAX_RATES} separated by commas"
            )

    def validate_loss_options(self, field: wtforms.Field) -> None:
        """Expect options of the chosen loss."""
        if not self.loss.data or self.loss.errors:
            return
        try:
            parse_loss([self.loss.data, *field.data.split()])
        except InputError as error:
            raise validators.ValidationError(error.text.replace("{loss}: ", "")) from None

    def validate_lr_min(self, field: wtforms.Field) -> None:
        """Expect no more than the rate itself."""
        try:
            rates = numbers(self.learning_rate.data)
        except ValueError:
            return
        if field.data is not None and rates and field.data > min(rates):
            raise validators.ValidationError("expected no more than the learning rate")

    def validate_patience(self, field: wtforms.Field) -> None:
        """Expect validations to be patient about."""
        if field.data is not None and not self.val_interval.data:
            raise validators.ValidationError("needs validations: set how often there is one")

    def validate_processes(self, field: wtforms.Field) -> None:
        """Expect several processes on the CPU only."""
        if (field.data or 1) > 1 and self.select_gpu.data:
            raise validators.ValidationError("a GPU is used by one process: choose the CPU")

    def validate_lr_multistep_values(self, field: wtforms.Field) -> None:
        """Expect percentages."""
        if self.lr_policy.data != "multistep":
            return
        try:
            found = numbers(field.data)
        except ValueError:
            found = []
        if not found or not all(0 < value <= 100 for value in found) or found != sorted(found):
            raise validators.ValidationError("expected rising percentages, separated by commas")


_METHOD_OF: Mapping[str, str] = {
    "previous_networks": "previous",
    "classifier": "surgery",
    "standard_networks": "standard",
}
