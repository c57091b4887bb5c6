#!/usr/bin/env python3
"""Train a network from a solver: snapshots, Caffe's log and curves in one folder."""

import contextlib
import errno
import signal
import sys

from tqdm import tqdm

from caffeformat import InputError
from fcnkit import cli
from fcnkit.tools import options
from fcnkit.tools.digits_model import open_for_training
from fcnkit.training import Observer, train

# option -> field of the solver that it sets
_FIELDS = {
    "iterations": "max_iter",
    "base_lr": "base_lr",
    "seed": "random_seed",
    "display": "display",
    "test_interval": "test_interval",
    "snapshot_interval": "snapshot",
}


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument("solver", nargs="?", help="solver.prototxt")
    parser.add_argument("--output", "-o", required=True, help="folder for everything that is made")
    parser.add_argument(
        "--data", help="dataset folder (of create_lmdb) for data layers that name no source"
    )
    start = parser.add_argument_group("where to start").add_mutually_exclusive_group()
    start.add_argument("--weights", help="a .caffemodel: layers of the same names start from it")
    start.add_argument("--snapshot", help="a .solverstate: go on from it")
    options.add_digits_model(parser, "go on with a model of DIGITS, by its own solver and weights")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest snapshot in --output, if there is one",
    )
    parser.add_argument("--force", action="store_true", help="remove an earlier run in --output")
    parser.add_argument(
        "--fill",
        choices=("xavier", "msra"),
        help="fill layers that would start at zero (upsampling layers with the bilinear kernel)",
    )
    parser.add_argument(
        "--class-weights",
        nargs="?",
        type=float,
        const=1.0,
        metavar="POWER",
        help="weigh the loss by the classes' median-frequency weights, to this power (1; 0.5 is "
        "milder)",
    )
    parser.add_argument(
        "--augment",
        nargs="*",
        metavar="KEY=VALUE",
        help="scale, crop and mirror images with their labels: scale=LOW:HIGH, crop=SIDE or "
        "crop=HEIGHTxWIDTH, flip=yes|no, threads=N, cache_mb=N; without any scale=0.75:1.5 "
        "flip=yes",
    )
    change = parser.add_argument_group("changes to the solver")
    change.add_argument("--iterations", metavar="N", help="steps in all (max_iter)")
    change.add_argument(
        "--epochs", type=options.positive(float), metavar="N", help="passes over the data instead"
    )
    change.add_argument("--base-lr", metavar="RATE")
    change.add_argument(
        "--batch-size",
        type=options.positive(int),
        metavar="N",
        help="images a step (batch_size)",
    )
    change.add_argument("--display", metavar="N", help="iterations between two log entries")
    change.add_argument("--test-interval", metavar="N", help="iterations between two tests")
    change.add_argument("--no-validation", action="store_true", help="train without test nets")
    change.add_argument("--snapshot-interval", metavar="N", help="iterations between snapshots")
    change.add_argument("--seed", metavar="N", help="random_seed")
    change.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field, for instance --set weight_decay=0.0005",
    )
    options.add_fork(parser)
    options.add_engine(parser)


def run(args):
    """Train; 130 where Ctrl-C ended it early."""
    if args.digits_model:
        take_digits_model(args)
    elif not args.solver:
        raise InputError("give a solver: train solver.prototxt, or --digits-model FILE")
    with Console() as console, Interruption() as interruption, _full_disk_told(args.output):
        outcome = train(
            args.solver,
            args.output,
            data=args.data,
            weights=args.weights,
            snapshot=args.snapshot,
            resume=args.resume,
            augment=None if args.augment is None else augmentation(args.augment),
            fill=args.fill,
            class_weights=args.class_weights,
            overrides=overrides(args),
            epochs=args.epochs,
            batch_size=args.batch_size,
            validate=not args.no_validation,
            gpu=args.gpu,
            allow_python=args.allow_python,
            force=args.force,
            observer=console,
            stop=lambda: interruption.asked,
        )
    if outcome.finished:
        print(f"{outcome.iteration} iterations done, weights in {outcome.weights}")
        return 0
    print(
        f"stopped after {outcome.iteration} iterations, snapshot {outcome.weights}: "
        "the same command with --resume goes on"
    )
    return 130


@contextlib.contextmanager
def _full_disk_told(output):
    """Says which folder a disk is full under, which the system's own error does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{output}: {error.strerror}: make room; the same command with --resume goes on from "
            "the newest snapshot"
        ) from error


def take_digits_model(args):
    """Set the solver and weights that `--digits-model` brings, where no other option does."""
    model, solver = open_for_training(args.digits_model, args.output, args.resume, args.force)
    args.solver = args.solver or solver
    if not args.weights and not args.snapshot:
        args.weights = model.weights


def overrides(args):
    """The solver's fields that the arguments change: a list of (field, text)."""
    pairs = []
    for text in args.set:
        field, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: expected FIELD=VALUE")
        pairs.append((field.strip(), value.strip()))
    for option, field in _FIELDS.items():
        value = getattr(args, option)
        if value is not None:
            pairs.append((field, value))
    return pairs


def augmentation(texts):
    """Options of SegmentationData from `--augment KEY=VALUE ...`."""
    if not texts:
        return {"scale": [0.75, 1.5], "flip": True}
    chosen = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in _PARSERS:
            raise InputError(f"--augment {text}: expected one of {', '.join(_PARSERS)}")
        try:
            chosen[key] = _PARSERS[key](value)
        except ValueError as error:
            raise InputError(f"--augment {text}: {error}") from error
    return chosen


def _scale(text):
    low, _, high = text.partition(":")
    return [float(low), float(high or low)]


def _crop(text):
    height, _, width = text.partition("x")
    return [int(height), int(width or height)]


def _yes(text):
    if text not in ("yes", "no", ""):
        raise ValueError("expected yes or no")
    return text != "no"


_PARSERS = {"scale": _scale, "crop": _crop, "flip": _yes, "threads": int, "cache_mb": int}


class Console(Observer):
    """Shows a training as a progress bar, with notes and test results above it."""

    def __init__(self):
        self._bar = None

    def note(self, text):
        tqdm.write(f"note: {text}", file=sys.stderr)

    def step(self, iteration, max_iter, loss, matrix):
        if self._bar is None:
            self._bar = tqdm(total=max_iter, initial=iteration - 1, unit="step")
        shown = {"loss": f"{loss:.4g}"}
        if matrix is not None and matrix.total:
            shown["accuracy"] = f"{matrix.pixel_accuracy:.3f}"
            shown["mean_iou"] = f"{matrix.mean_iou:.3f}"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(iteration - self._bar.n)

    def test(self, iteration, outputs, matrix):
        parts = [f"{name} {values[0]:.4g}" for name, values, _ in outputs if len(values) == 1]
        if matrix is not None:
            parts += [
                f"pixel accuracy {matrix.pixel_accuracy:.3f}",
                f"mean IoU {matrix.mean_iou:.3f}",
            ]
        tqdm.write(f"iteration {iteration}, validation: {', '.join(parts)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()


class Interruption:
    """Lets the first Ctrl-C (or SIGTERM) ask for an end, and the second one end at once."""

    def __init__(self):
        self.asked = False

    def __enter__(self):
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number, frame):
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        tqdm.write("stopping with a snapshot after this step; again to stop at once", sys.stderr)


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
