"""Train FCN-32s, 16s and 8s one after another, each from the previous one's weights."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from fcnkit.files import write_json
from fcnkit.training import Recipe, Stage, Start, declines, format_stages, train_stages

from .arguments import network
from .train import Console, Interruption, augmentation

if TYPE_CHECKING:
    from fcnkit.training import StageResult

STAGES = ["voc_fcn32s", "voc_fcn16s", "voc_fcn8s"]

# option -> (field of the solvers that it sets, its type): one value for all stages or one per stage
_FIELDS = {"iterations": ("max_iter", int), "base_lr": ("base_lr", float)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "stages",
        nargs="*",
        default=STAGES,
        metavar="STAGE",
        help="networks under prototxt/, folders or solver files, coarse to fine (default: "
        f"{' '.join(STAGES)})",
    )
    parser.add_argument("--data", required=True, help="dataset folder, an output of create_lmdb")
    parser.add_argument(
        "--output", "-o", required=True, help="folder that holds one folder per stage"
    )
    parser.add_argument(
        "--weights", help=".caffemodel that the first stage starts from, for instance a classifier"
    )
    parser.add_argument(
        "--fill",
        choices=("xavier", "msra"),
        help="fill layers of the first stage that would start at zero, as train does",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume", action="store_true", help="continue where an earlier run ended"
    )
    earlier.add_argument(
        "--force",
        action="store_true",
        help="remove an earlier run in --output, once this one has taken its first step",
    )
    parser.add_argument(
        "--augment",
        nargs="+",
        metavar="KEY=VALUE",
        help="scale, crop and mirror images together with their labels, as train does",
    )
    change = parser.add_argument_group("changes to the solvers")
    change.add_argument(
        "--iterations",
        metavar="N[,N...]",
        help="number of iterations (max_iter), one for all stages or one per stage",
    )
    change.add_argument(
        "--base-lr",
        metavar="RATE[,RATE...]",
        help="learning rate (base_lr), one for all stages or one per stage",
    )
    change.add_argument(
        "--batch-size",
        type=network.positive(int),
        metavar="N",
        help="images per iteration (batch_size)",
    )
    change.add_argument("--no-validation", action="store_true", help="train without test nets")
    change.add_argument("--seed", metavar="N", help="seed of all random numbers (random_seed)")
    parser.add_argument(
        "--gpu", type=int, metavar="N", help="compute on this GPU (default: the CPU)"
    )


def run(args: argparse.Namespace) -> int:
    """Train the stages and print their table; returns 130 where Ctrl-C ended the run early."""
    stages = chosen_stages(args)
    results: list[StageResult] = []
    with Console() as console, Interruption() as interruption:
        for result in train_stages(
            stages,
            args.output,
            args.data,
            Start(weights=args.weights, resume=args.resume),
            gpu=args.gpu,
            force=args.force,
            observer=console,
            stop=lambda: interruption.asked,
        ):
            results.append(result)
            rows = [dataclasses.asdict(result) for result in results]
            write_json(os.path.join(args.output, "stages.json"), rows)
    print(format_stages(results))
    if results[-1].end is None:
        print("stopped with a snapshot: the same command with --resume continues")
        return 130
    for sentence in declines(results):
        print(sentence)
    print(f"net and weights of the last stage are in {results[-1].folder}")
    return 0


def chosen_stages(args: argparse.Namespace) -> list[Stage]:
    """Return the `Stage`s that the arguments name."""
    fields = {field: _each(args, option, kind) for option, (field, kind) in _FIELDS.items()}
    stages: list[Stage] = []
    for number, text in enumerate(args.stages):
        overrides = [(name, values[number]) for name, values in fields.items() if values]
        if args.seed is not None:
            overrides.append(("random_seed", args.seed))
        solver, name = network.network_file(text, "solver.prototxt")
        recipe = Recipe(
            solver,
            augment=None if args.augment is None else augmentation(args.augment),
            fill=None if stages else args.fill,
            overrides=overrides,
            batch_size=args.batch_size,
            validate=not args.no_validation,
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
            network.positive(kind)(value)
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
