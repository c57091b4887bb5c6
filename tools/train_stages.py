#!/usr/bin/env python3
"""Train FCN-32s, 16s and 8s in one go, each from the weights of the one before."""

import argparse
import contextlib
import os
import sys

from caffeformat import InputError
from fcnkit import cli
from fcnkit.reports import write_json
from fcnkit.stage_report import declines, format_stages
from fcnkit.stages import Stage, train_stages
from fcnkit.tools import options
from fcnkit.tools.train import Console, Interruption, augmentation

STAGES = ["voc_fcn32s", "voc_fcn16s", "voc_fcn8s"]

# option -> (field of the solvers that it sets, what it is), for all stages or one value a stage
_FIELDS = {"iterations": ("max_iter", int), "base_lr": ("base_lr", float)}


def add_arguments(parser):
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
        "--output", "-o", required=True, help="folder for all stages; each gets one of its own"
    )
    parser.add_argument(
        "--weights", help="a .caffemodel for the first stage to start from, a classifier's too"
    )
    parser.add_argument(
        "--fill",
        choices=("xavier", "msra"),
        help="fill layers of the first stage that would start at zero, as for train",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument("--resume", action="store_true", help="go on where an earlier run ended")
    earlier.add_argument(
        "--force",
        action="store_true",
        help="remove an earlier run in --output, once this one has taken its first step",
    )
    parser.add_argument(
        "--augment",
        nargs="+",
        metavar="KEY=VALUE",
        help="scale, crop and mirror images with their labels, as for train",
    )
    change = parser.add_argument_group("changes to the solvers")
    change.add_argument(
        "--iterations", metavar="N[,N...]", help="steps (max_iter): for each stage, or one for all"
    )
    change.add_argument("--base-lr", metavar="RATE[,RATE...]", help="the same for learning rates")
    change.add_argument("--batch-size", type=options.positive(int), metavar="N")
    change.add_argument("--no-validation", action="store_true", help="no tests while training")
    change.add_argument("--seed", metavar="N", help="random_seed")
    parser.add_argument("--gpu", type=int, metavar="N", help="compute on this GPU (the CPU)")


def run(args):
    """Train the stages and print their table; 130 where Ctrl-C ended it early."""
    stages = chosen_stages(args)
    results = []

    with Interruption() as interruption:

        @contextlib.contextmanager
        def observe(name):
            print(f"training {name}")
            with Console() as console:
                yield console

        for result in train_stages(
            stages,
            args.output,
            args.data,
            weights=args.weights,
            resume=args.resume,
            force=args.force,
            gpu=args.gpu,
            observe=observe,
            stop=lambda: interruption.asked,
        ):
            results.append(result)
            write_json(os.path.join(args.output, "stages.json"), [r._asdict() for r in results])
    print(format_stages(results))
    if results[-1].end is None:
        print("stopped with a snapshot: the same command with --resume goes on")
        return 130
    for sentence in declines(results):
        print(sentence)
    print(f"the last stage's net and weights are in {results[-1].folder}")
    return 0


def chosen_stages(args):
    """The `Stage`s that the arguments name."""
    fields = {field: _each(args, option, kind) for option, (field, kind) in _FIELDS.items()}
    common = {
        "augment": None if args.augment is None else augmentation(args.augment),
        "batch_size": args.batch_size,
        "validate": not args.no_validation,
    }
    stages = []
    for number, text in enumerate(args.stages):
        overrides = [(name, values[number]) for name, values in fields.items() if values]
        if args.seed is not None:
            overrides.append(("random_seed", args.seed))
        solver, name = options.network_file(text, "solver.prototxt")
        fill = None if stages else args.fill
        stages.append(Stage(name, solver, {"overrides": overrides, "fill": fill, **common}))
    return stages


def _each(args, option, kind):
    """One text for each stage, or None, from `N` or `N,N,...`, numbers of a `kind` above 0."""
    text = getattr(args, option)
    if text is None:
        return None
    values = text.split(",")
    for value in values:
        try:
            options.positive(kind)(value)
        except (ValueError, argparse.ArgumentTypeError):
            raise InputError(
                f"--{option.replace('_', '-')} {text}: expected numbers above 0, found {value}"
            ) from None
    if len(values) == 1:
        values *= len(args.stages)
    if len(values) != len(args.stages):
        raise InputError(
            f"--{option.replace('_', '-')} {text}: expected one value, or {len(args.stages)}: one "
            "for each stage"
        )
    return values


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
