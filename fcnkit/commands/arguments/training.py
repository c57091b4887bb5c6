"""Arguments of training runs, for `train` and `train_stages`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fcnkit.datasets import AUGMENTATION_SETS, parse_augmentation
from fcnkit.losses import parse_loss
from fcnkit.training import Snapshots

from . import basics
from .basics import positive

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .basics import CommandParser, Group


def add_augment(group: Group, what: str = "augment images together with their labels") -> None:
    """Declare `--augment`; `what` begins its help."""
    group.option(
        "--augment",
        f"{what}: first a tutorial's set ({', '.join(AUGMENTATION_SETS)}), if any, then what "
        "changes it: scale=LOW:HIGH, base=SIDE (pixels of the longer side at scale 1), "
        "draw=log|uniform (of the scale), crop=SIDE or crop=HEIGHTxWIDTH, pad=random|corner, "
        "interpolation=linear|cubic, flip=yes|no, rotate=DEGREES, blur=CHANCE:RADIUS, "
        "brightness=N, contrast=N, saturation=N (factors of 1-N to 1+N), hue=N (turns of the "
        "circle), threads=N, cache_mb=N, white=N (images of more than 8 bits become 8 bits, N "
        "becomes 255); no values stand for scale=0.75:1.5 flip=yes",
        ("SET", "KEY=VALUE"),
        otherwise="no augmentation",
        nargs="*",
    )


def add_changes(parser: CommandParser, each: str = "") -> None:
    """Declare what changes the recipe: data, fillers and fields of the solver.

    `each` ends the help of the fields that may have several values.
    """
    more = "[,N...]" if each else ""
    add_augment(parser.data)
    parser.data.option(
        "--batch-size", "images per iteration", "N", positive(int), otherwise="the solver's"
    )
    parser.options.option(
        "--iterations",
        f"number of iterations, max_iter{each}",
        f"N{more}",
        otherwise="the solver's",
    )
    parser.options.option(
        "--base-lr", f"learning rate, base_lr{each}", f"N{more}", otherwise="the solver's"
    )
    parser.options.option(
        "--lr-policy",
        "how the learning rate falls, lr_policy: fixed, step, poly, cosine, linear, ...; those "
        "that need more fields get them by --set, or from the solver",
        "NAME",
        otherwise="the solver's",
    )
    parser.options.option(
        "--min-lr", "smallest learning rate, min_lr", "N", positive(float), otherwise="0"
    )
    parser.options.option(
        "--warm-up",
        "number of first iterations in which the learning rate rises from 0, rampup_interval",
        "N",
        positive(int),
        otherwise="no warm-up",
    )
    parser.options.option(
        "--fill",
        "fill layers that would start at zero; upsampling layers get the bilinear kernel",
        otherwise="leave them",
        choices=("xavier", "msra"),
    )
    parser.options.option(
        "--loss",
        "loss to train with, in place of the last SoftmaxWithLoss, and its options: dice "
        "smooth=N squared=yes|no present=yes|no, focal gamma=N, hard_pixels threshold=P "
        "keep=SHARE; each also takes softmax=N, which adds N times the softmax loss",
        ("NAME", "KEY=VALUE"),
        otherwise="the net's",
        nargs="+",
    )
    parser.options.flag("--no-validation", "train without test nets")
    parser.options.option(
        "--snapshot-epochs",
        "passes over the training data between snapshots",
        "N",
        positive(float),
        otherwise="the solver's interval",
    )
    parser.options.option(
        "--keep",
        "number of snapshots that stay, older ones are removed; the best weights stay in any case",
        "N",
        positive(int),
        otherwise="all",
    )
    parser.options.option(
        "--patience",
        "end after this many tests without a better mean IoU",
        "N",
        positive(int),
        otherwise="never",
    )
    parser.output.flag(
        "--tensorboard",
        "also write TensorBoard's event files into the folder tensorboard of the output: scalars, "
        "histograms of the weights, masks of the same few validation images",
    )
    parser.options.option(
        "--seed", "seed of all random numbers, random_seed", "N", int, otherwise="the solver's"
    )


def schedule(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Return (field of the solver, text) of the options for how the learning rate changes."""
    fields = (
        ("lr_policy", args.lr_policy),
        ("min_lr", args.min_lr),
        ("rampup_interval", args.warm_up),
    )
    return [(field, str(value)) for field, value in fields if value is not None]


def loss(texts: Sequence[str] | None) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the options of the loss from the values of `--loss` (None: no such)."""
    return None if texts is None else parse_loss(texts)


def snapshots(args: argparse.Namespace) -> Snapshots:
    """Return what the options say about snapshots."""
    every = getattr(args, "snapshot_interval", None)
    return Snapshots(every, args.snapshot_epochs, args.keep, args.patience)


def add_force(parser: CommandParser) -> None:
    """Declare `--force`."""
    basics.add_force(
        parser,
        "start over: an earlier run in the output folder is removed once the new one has taken its "
        "first step, and stays if it takes none",
    )


def add_resume(parser: CommandParser) -> None:
    """Declare `--resume`."""
    parser.input.flag(
        "--resume", "continue from the newest snapshot in the output folder, if there is one"
    )


def augmentation(texts: Sequence[str] | None) -> dict[str, Any] | None:
    """Return options of SegmentationData from the values of `--augment` (None: no such option)."""
    return None if texts is None else parse_augmentation(texts)
