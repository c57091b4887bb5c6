"""Train a network from a solver: snapshots, Caffe's log and curves in one folder."""

from __future__ import annotations

import argparse
import contextlib
import errno
import signal
import sys
from typing import TYPE_CHECKING, Any, Callable

from tqdm import tqdm

from caffeformat import InputError
from fcnkit.digits import open_for_training
from fcnkit.training import Observer, Recipe, Start, train

from .arguments import network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

    from fcnkit.inference import ConfusionMatrix
    from fcnkit.training import Outputs

# option -> field of the solver that it sets
_FIELDS = {
    "iterations": "max_iter",
    "base_lr": "base_lr",
    "seed": "random_seed",
    "display": "display",
    "test_interval": "test_interval",
    "snapshot_interval": "snapshot",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("solver", nargs="?", help="solver.prototxt")
    parser.add_argument("--output", "-o", required=True, help="folder for everything the run makes")
    parser.add_argument(
        "--data", help="dataset folder (see create_lmdb) for data layers that name no source"
    )
    start = parser.add_argument_group("where to start").add_mutually_exclusive_group()
    start.add_argument("--weights", help=".caffemodel: layers of the same names start from it")
    start.add_argument("--snapshot", help=".solverstate to continue from")
    network.add_digits_model(
        parser, "continue training a DIGITS model, with its own solver and weights"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the newest snapshot in --output, if there is one",
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
        help="weigh the loss by median-frequency class weights raised to this power; 0.5 is milder "
        "(default without a number: 1)",
    )
    parser.add_argument(
        "--augment",
        nargs="*",
        metavar="KEY=VALUE",
        help="scale, crop and mirror images together with their labels: scale=LOW:HIGH, crop=SIDE "
        "or crop=HEIGHTxWIDTH, flip=yes|no, threads=N, cache_mb=N (default without values: "
        "scale=0.75:1.5 flip=yes)",
    )
    change = parser.add_argument_group("changes to the solver")
    change.add_argument("--iterations", metavar="N", help="number of iterations (max_iter)")
    change.add_argument(
        "--epochs",
        type=network.positive(float),
        metavar="N",
        help="passes over the data, instead of iterations",
    )
    change.add_argument("--base-lr", metavar="RATE", help="learning rate (base_lr)")
    change.add_argument(
        "--batch-size",
        type=network.positive(int),
        metavar="N",
        help="images per iteration (batch_size)",
    )
    change.add_argument("--display", metavar="N", help="iterations between log entries")
    change.add_argument("--test-interval", metavar="N", help="iterations between tests")
    change.add_argument("--no-validation", action="store_true", help="train without test nets")
    change.add_argument("--snapshot-interval", metavar="N", help="iterations between snapshots")
    change.add_argument("--seed", metavar="N", help="seed of all random numbers (random_seed)")
    change.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="set any other field of the solver, for instance --set weight_decay=0.0005",
    )
    network.add_fork(parser)
    network.add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Train; returns 130 where Ctrl-C ended the run early."""
    if args.digits_model:
        take_digits_model(args)
    elif not args.solver:
        raise InputError("a solver is missing: pass solver.prototxt or --digits-model FILE")
    recipe = Recipe(
        args.solver,
        data=args.data,
        augment=None if args.augment is None else augmentation(args.augment),
        fill=args.fill,
        class_weights=args.class_weights,
        overrides=overrides(args),
        epochs=args.epochs,
        batch_size=args.batch_size,
        validate=not args.no_validation,
    )
    with Console() as console, Interruption() as interruption, _full_disk_told(args.output):
        outcome = train(
            recipe,
            args.output,
            Start(args.weights, args.snapshot, args.resume),
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
        "the same command with --resume continues"
    )
    return 130


@contextlib.contextmanager
def _full_disk_told(output: str) -> Iterator[None]:
    """Name the folder whose disk is full, which the system's own error does not."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{output}: {error.strerror}: make room; the same command with --resume continues "
            "from the newest snapshot"
        ) from error


def take_digits_model(args: argparse.Namespace) -> None:
    """Take solver and weights from `--digits-model` where no other option sets them."""
    model, solver = open_for_training(args.digits_model, args.output, args.resume, args.force)
    args.solver = args.solver or solver
    if not args.weights and not args.snapshot:
        args.weights = model.weights


def overrides(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Return the fields of the solver that the arguments change, as (field, text)."""
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


def augmentation(texts: Sequence[str]) -> dict[str, Any]:
    """Return options of SegmentationData from `--augment KEY=VALUE ...`."""
    if not texts:
        return {"scale": [0.75, 1.5], "flip": True}
    chosen: dict[str, Any] = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in _PARSERS:
            raise InputError(f"--augment {text}: expected one of {', '.join(_PARSERS)}")
        try:
            chosen[key] = _PARSERS[key](value)
        except ValueError as error:
            raise InputError(f"--augment {text}: {error}") from error
    return chosen


def _scale(text: str) -> list[float]:
    low, _, high = text.partition(":")
    return [float(low), float(high or low)]


def _crop(text: str) -> list[int]:
    height, _, width = text.partition("x")
    return [int(height), int(width or height)]


def _yes(text: str) -> bool:
    if text not in ("yes", "no", ""):
        raise ValueError("expected yes or no")
    return text != "no"


_PARSERS: dict[str, Callable[[str], Any]] = {
    "scale": _scale,
    "crop": _crop,
    "flip": _yes,
    "threads": int,
    "cache_mb": int,
}


class Console(Observer):
    """Shows progress as a bar, with notes and test results above it."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._what = ""

    def note(self, text: str) -> None:
        tqdm.write(f"note: {text}", file=sys.stderr)

    def step(
        self,
        done: int,
        total: int | None = None,
        what: str = "",
        figures: Mapping[str, float] | None = None,
    ) -> None:
        if self._bar is None or what != self._what:
            self.close()
            self._bar = tqdm(desc=what or None, total=total, initial=done - 1, unit="step")
            self._what = what
        shown = {name: f"{value:.4g}" for name, value in (figures or {}).items()}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(done - self._bar.n)

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        parts = [f"{name} {values[0]:.4g}" for name, values, _ in outputs if len(values) == 1]
        if matrix is not None:
            parts += [
                f"pixel accuracy {matrix.pixel_accuracy:.3f}",
                f"mean IoU {matrix.mean_iou:.3f}",
            ]
        tqdm.write(f"iteration {iteration}, validation: {', '.join(parts)}")

    def done(self, text: str = "") -> None:
        self.close()
        if text:
            print(text)

    def close(self) -> None:
        """End the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Interruption:
    """Makes the first Ctrl-C (or SIGTERM) request an end, and the second one end at once."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> Interruption:
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        tqdm.write("stopping with a snapshot after this step; again to stop at once", sys.stderr)
