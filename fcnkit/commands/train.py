"""Train a network from a solver: snapshots, Caffe's log and curves in one folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.digits import ModelToTrain
from fcnkit.engine import has_launched, is_root
from fcnkit.training import Recipe, Start, train
from fcnkit.zoo import network_file

from .arguments import basics, devices, network, training
from .arguments.basics import positive
from .console import Interruption, explaining_full_disk
from .printing import say
from .training_console import SilentTrainingConsole, TrainingConsole

if TYPE_CHECKING:
    import argparse

    from .arguments.basics import CommandParser

# option -> field of the solver that it sets
_FIELDS = {
    "iterations": "max_iter",
    "base_lr": "base_lr",
    "seed": "random_seed",
    "display": "display",
    "test_interval": "test_interval",
}


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(parser.input, "solver", what="solver:", nargs="?", metavar="SOLVER")
    start = parser.input.exclusive()
    start.option(
        "--weights",
        f"{network.WEIGHTS}: layers of the same names start from it; several, separated by commas, "
        "are read in turn",
        "FILE[,FILE...]",
    )
    start.option("--snapshot", ".solverstate to continue from", "FILE")
    training.add_resume(parser)
    basics.add_output(parser, "folder for everything that the run makes")
    training.add_force(parser)
    network.add_digits_model(parser.network)
    basics.add_fork(parser)
    basics.add_data(parser)
    training.add_changes(parser)
    parser.options.option(
        "--epochs", "passes over the training data, instead of --iterations", "N", positive(float)
    )
    parser.options.option(
        "--class-weights",
        "weigh the loss by median-frequency class weights raised to this power, 1 where none is "
        "given; 0.5 is milder",
        "POWER",
        float,
        otherwise="no class weights",
        nargs="?",
        const=1.0,
    )
    for name, what in (
        ("--display", "iterations between log entries"),
        ("--test-interval", "iterations between tests"),
    ):
        parser.options.option(name, what, "N", otherwise="the solver's")
    parser.options.option(
        "--snapshot-interval", "iterations between snapshots", "N", int, otherwise="the solver's"
    )
    parser.options.option(
        "--set",
        "set any other field of the solver, such as weight_decay=0.0005; may be repeated",
        "FIELD=VALUE",
        default=[],
        action="append",
    )
    devices.add_training_devices(parser)
    basics.add_allow_python(parser)


def run(args: argparse.Namespace) -> int:
    """Train; returns 130 where Ctrl-C ended the run early, 0 under torchrun."""
    solver, model = _solver(args), None
    if args.digits_model:
        model = ModelToTrain(args.digits_model)
    recipe = Recipe(
        solver,
        data=args.data,
        augment=training.augmentation(args.augment),
        fill=args.fill,
        class_weights=args.class_weights,
        loss=training.loss(args.loss),
        overrides=_overrides(args),
        epochs=args.epochs,
        batch_size=args.batch_size,
        validate=not args.no_validation,
        precision=args.precision or "float32",
        recompute=args.recompute,
        sync_batch_norm=args.sync_batch_norm,
        snapshots=training.snapshots(args),
        tensorboard=args.tensorboard,
    )
    # Of processes that torchrun has started, one speaks.
    console = TrainingConsole() if is_root() else SilentTrainingConsole()
    interruption = Interruption(silent=not is_root())
    with console, interruption, explaining_full_disk(args.output, args.force):
        outcome = train(
            recipe,
            args.output,
            Start(_several(args.weights), args.snapshot, args.resume, model),
            gpu=devices.devices(args),
            allow_python=args.allow_python,
            force=args.force,
            observer=console,
            stop=lambda: interruption.asked,
        )
    # A process that ends with another status is started again by torchrun: those of a run that was
    # asked to stop would come back, and wait for others in vain.
    stopped = 0 if has_launched() else 130
    if not is_root():
        return 0 if outcome.finished else stopped
    if outcome.best is not None:
        say(
            f"best mean IoU {outcome.best.mean_iou:.4f} after {outcome.best.iteration} iterations, "
            f"weights in {outcome.best.weights}"
        )
    if outcome.finished:
        say(f"{outcome.iteration} iterations done, weights in {outcome.weights}")
        return 0
    if outcome.withdrawn:
        say(f"stopped before the first step: the earlier run in {args.output} is as it was")
        return stopped
    say(
        f"stopped after {outcome.iteration} iterations, snapshot {outcome.weights}: "
        "the same command with --resume continues"
    )
    return stopped


def _solver(args: argparse.Namespace) -> str:
    """Return the path of the solver that the arguments name, or nothing beside a model."""
    if args.solver:
        return network_file(args.solver, "solver.prototxt")[0]
    if args.digits_model:
        return ""
    raise InputError("a solver is missing: pass SOLVER, or --digits-model")


def _several(weights: str | None) -> str | list[str] | None:
    """Return the paths in a value of `--weights`; a comma may also be part of a file's name."""
    if weights is None or "," not in weights or os.path.exists(weights):
        return weights
    return [path.strip() for path in weights.split(",")]


def _overrides(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the fields of the solver that the arguments change, as (field, text)."""
    pairs = []
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected FIELD=VALUE")
        pairs.append((field.strip(), value.strip()))
    for name, field in _FIELDS.items():
        value = getattr(args, name)
        if value is not None:
            pairs.append((field, str(value)))
    pairs += training.schedule(args)
    return pairs
