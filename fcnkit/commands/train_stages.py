"""Train FCN-32s, 16s and 8s one after another, or the stages of a tutorial's recipe."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit import engine
from fcnkit.files import write_json
from fcnkit.training import (
    Recipe,
    Stage,
    Start,
    declines,
    describe_recipe,
    format_stages,
    read_recipe,
    train_recipe,
    train_stages,
)
from fcnkit.zoo import network_file

from .arguments import basics, devices, network, recipes, training
from .arguments.basics import positive
from .console import Interruption, explaining_full_disk
from .printing import say
from .training_console import TrainingConsole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fcnkit.training import RecipeFile, StageResult

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
        metavar="SOLVER",
    )
    recipes.add_recipe(parser)
    parser.input.option(
        "--weights",
        f"{network.WEIGHTS} that the first stage starts from, for instance a classifier's",
        "FILE",
    )
    training.add_resume(parser)
    basics.add_output(parser, "folder that gets one folder per stage", required=False)
    training.add_force(parser)
    recipes.add_data(parser)
    training.add_changes(parser, "; one value for all stages, or one per stage")
    basics.add_fork(parser)
    devices.add_training_devices(parser)
    basics.add_allow_python(parser)


def run(args: argparse.Namespace) -> int:
    """Train the stages and print their table; returns 130 where Ctrl-C ended the run early."""
    if args.resume and args.force:
        raise InputError("--resume continues an earlier run, --force removes it: pass one of them")
    if engine.has_launched():
        raise InputError(
            "train_stages runs in one process, but torchrun has started this one: train each stage "
            "by torchrun ... -m fcnkit train"
        )
    recipe = _recipe(args)
    if args.dry_run:
        if recipe is None:
            raise InputError("--dry-run says what a recipe will do: pass --recipe")
        say(describe_recipe(recipe, recipes.folders(args, recipe), args.weights))
        return 0
    if args.output is None:
        raise InputError("there is no folder for the results: pass --output")
    results: list[StageResult] = []
    console, interruption = TrainingConsole(), Interruption()
    with console, interruption, explaining_full_disk(args.output, args.force):
        for result in _train(args, recipe, console, interruption):
            results.append(result)
            rows = [dataclasses.asdict(result) for result in results]
            write_json(os.path.join(args.output, "stages.json"), rows)
    if not results:
        say(f"stopped before the first step: the earlier run in {args.output} is as it was")
        return 130
    say(format_stages(results))
    if results[-1].end is None:
        again = "the same command" if recipe else "the same command with --resume"
        say(f"stopped with a snapshot: {again} continues")
        return 130
    for sentence in declines(results):
        say(sentence)
    say(f"net and weights of the last stage are in {results[-1].folder}")
    return 0


def _recipe(args: argparse.Namespace) -> RecipeFile | None:
    """Return the recipe that the arguments name, if any, with what they change."""
    if args.recipe is None:
        if args.set:
            raise InputError("--set changes a recipe: pass --recipe")
        return None
    if args.stages:
        raise InputError("--recipe names the stages itself: pass no SOLVER beside it")
    names = [stage.name for stage in read_recipe(args.recipe).stages]
    return read_recipe(args.recipe, recipes.changes(args, names))


def _train(
    args: argparse.Namespace,
    recipe: RecipeFile | None,
    console: TrainingConsole,
    interruption: Interruption,
) -> Iterator[StageResult]:
    """Train the recipe's stages, or those that the arguments name."""
    if recipe is not None:
        return train_recipe(
            recipe,
            args.output,
            recipes.folders(args, recipe),
            args.weights,
            gpu=devices.devices(args),
            allow_python=args.allow_python,
            force=args.force,
            observer=console,
            stop=lambda: interruption.asked,
        )
    folder, solvers = recipes.one_folder(args)
    return train_stages(
        _stages(args, args.stages or solvers or STAGES),
        args.output,
        folder,
        Start(weights=args.weights, resume=args.resume),
        gpu=devices.devices(args),
        allow_python=args.allow_python,
        force=args.force,
        observer=console,
        stop=lambda: interruption.asked,
    )


def _stages(args: argparse.Namespace, solvers: Sequence[str]) -> list[Stage]:
    """Return the `Stage`s of `solvers` as the arguments change them."""
    count = len(solvers)
    fields = {field: _each(args, option, kind, count) for option, (field, kind) in _FIELDS.items()}
    stages: list[Stage] = []
    for number, text in enumerate(solvers):
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
            precision=args.precision or "float32",
            recompute=args.recompute,
            snapshots=training.snapshots(args),
            tensorboard=args.tensorboard,
            sync_batch_norm=args.sync_batch_norm,
        )
        stages.append(Stage(name, recipe))
    return stages


def _each(
    args: argparse.Namespace, option: str, kind: type[int | float], count: int
) -> list[str] | None:
    """Return `count` texts, or None, from `N` or `N,N,...`, numbers above 0 of a `kind`."""
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
        values *= count
    if len(values) != count:
        raise InputError(
            f"--{option.replace('_', '-')} {text}: expected one value, or {count}, one per stage"
        )
    return values
