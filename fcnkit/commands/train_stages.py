"""Train FCN-32s, 16s and 8s one after another, each from the previous one's weights."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.files import write_json
from fcnkit.training import Recipe, Stage, Start, declines, format_stages, train_stages
from fcnkit.zoo import network_file

from .arguments import basics, network, training
from .arguments.basics import positive
from .console import Interruption, explaining_full_disk
from .printing import say
from .training_console import TrainingConsole

if TYPE_CHECKING:
    from fcnkit.training import StageResult

    from .arguments.basics import CommandParser

STAGES = ["voc_fcn32s", "voc_fcn16s", "voc_fcn8s"]

# option -> (field of the solvers that it sets, its type): one value for all stages or one per stage
_FIELDS = {"iterations": ("max_iter", int), "base_lr": ("base_lr", float)}


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(
        parser.input,
        "stages",
        what="solvers, coarse to fine, each",
        otherwise=" ".join(STAGES),
        nargs="*",
        default=STAGES,
        metavar="SOLVER",
    )
    parser.input.option(
        "--weights",
        f"{network.WEIGHTS} that the first stage starts from, for instance a classifier's",
        "FILE",
    )
    training.add_resume(parser)
    basics.add_output(parser, "folder that gets one folder per stage")
    basics.add_force(parser)
    basics.add_data(parser, required=True)
    training.add_changes(parser, "; one value for all stages, or one per stage")
    basics.add_fork(parser)
    basics.add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Train the stages and print their table; returns 130 where Ctrl-C ended the run early."""
    if args.resume and args.force:
        raise InputError("--resume continues an earlier run, --force removes it: pass one of them")
    stages = _stages(args)
    results: list[StageResult] = []
    console, interruption = TrainingConsole(), Interruption()
    with console, interruption, explaining_full_disk(args.output):
        for result in train_stages(
            stages,
            args.output,
            args.data,
            Start(weights=args.weights, resume=args.resume),
            gpu=args.gpu,
            allow_python=args.allow_python,
            force=args.force,
            observer=console,
            stop=lambda: interruption.asked,
        ):
            results.append(result)
            rows = [dataclasses.asdict(result) for result in results]
            write_json(os.path.join(args.output, "stages.json"), rows)
    say(format_stages(results))
    if results[-1].end is None:
        say("stopped with a snapshot: the same command with --resume continues")
        return 130
    for sentence in declines(results):
        say(sentence)
    say(f"net and weights of the last stage are in {results[-1].folder}")
    return 0


def _stages(args: argparse.Namespace) -> list[Stage]:
    """Return the `Stage`s that the arguments name."""
    fields = {field: _each(args, option, kind) for option, (field, kind) in _FIELDS.items()}
    stages: list[Stage] = []
    for number, text in enumerate(args.stages):
        overrides = [(name, values[number]) for name, values in fields.items() if values]
        overrides += training.schedule(args)
        if args.seed is not None:
            overrides.append(("random_seed", str(args.seed)))
        solver, name = network_file(text, "solver.prototxt")
        recipe = Recipe(
            solver,
            augment=training.augmentation(args.augment),
            fill=None if stages else args.fill,
            loss=training.loss(args.loss),
            overrides=overrides,
            batch_size=args.batch_size,
            validate=not args.no_validation,
            snapshots=training.snapshots(args),
        )
        stages.append(Stage(name, recipe))
    return stages


def _each(args: argparse.Namespace, option: str, kind: type[int | float]) -> list[str] | None:
    """Return one text per stage, or None, from `N` or `N,N,...`, numbers above 0 of a `kind`."""
    text: str | None = getattr(args, option)
    if text is None:
        return None
    values = text.split(",")
    for value in values:
        try:
            positive(kind)(value)
        except (ValueError, argparse.ArgumentTypeError):
            raise InputError(
                f"--{option.replace('_', '-')} {text}: expected numbers above 0, found {value}"
            ) from None
    if len(values) == 1:
        values *= len(args.stages)
    if len(values) != len(args.stages):
        raise InputError(
            f"--{option.replace('_', '-')} {text}: expected one value, or {len(args.stages)}, one "
            "per stage"
        )
    return values
