"""Arguments that several commands share: a network with its weights, class names, a palette."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, TypeVar

from caffeformat import InputError
from caffeformat.messages import FORKS
from fcnkit import zoo
from fcnkit.datasets import default_palette
from fcnkit.digits import open_model
from fcnkit.images import Preprocessor, parse_mean, read_class_names, read_palette
from fcnkit.inference import Segmenter
from fcnkit.training import read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fcnkit.training import Run

Number = TypeVar("Number", int, float)


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return the type of an argument that is a `kind` (int or float) above zero."""

    def parse(text: str) -> Number:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
        return value

    parse.__name__ = kind.__name__  # argparse names it where the text is not a number
    return parse


# Prototxts with one of these names are known by their folder.
_NAMELESS = ("deploy", "train_val", "solver")


def network_file(text: str, file: str) -> tuple[str, str]:
    """Return (path, name) of a net: `text` is a prototxt, a network under prototxt/ or a folder.

    In a folder and for a network, `file` is the file that is meant.
    """
    is_name = os.path.basename(text) == text and not text.endswith(".prototxt")
    inside = os.path.join(text, file)
    if os.path.isfile(inside) and text not in zoo.networks():
        text = inside
    elif is_name and not os.path.isfile(text):
        return zoo.path(text, file), text
    folder, own = os.path.split(os.path.abspath(text))
    stem = os.path.splitext(own)[0]
    return text, os.path.basename(folder) if stem in _NAMELESS else stem


def add_network(parser: argparse.ArgumentParser) -> None:
    """Declare `--net`, `--weights`, `--run`, `--digits-model`, and how images become the input."""
    group = parser.add_argument_group("network")
    group.add_argument("--net", help="deploy file, or an all-in-one file with its stages")
    group.add_argument("--weights", help="its .caffemodel (or .caffemodel.h5)")
    group.add_argument(
        "--run",
        metavar="FOLDER",
        dest="run_folder",
        help="an output of train: its net, newest snapshot, mean, scale, class names and palette, "
        "where no other option names them",
    )
    add_digits_model(group, "the same from a model of DIGITS")
    group.add_argument(
        "--mean",
        help="subtracted from the input: B,G,R or mean.binaryproto or mean.txt (none; networks "
        "such as fcn_alexnet shift inside)",
    )
    group.add_argument("--input-scale", type=float, help="multiplied after the mean (1)")
    group.add_argument(
        "--channels", choices=("BGR", "RGB"), default="BGR", help="order of the input's (BGR)"
    )
    group.add_argument("--output-blob", help="blob with the classes' scores (score)")
    group.add_argument(
        "--scale-to",
        type=positive(int),
        metavar="PIXELS",
        help="scale larger images down to this longer side for the net; results keep the image's "
        "size",
    )
    add_fork(group)
    add_engine(group)


def add_digits_model(parser: argparse._ActionsContainer, what: str) -> None:
    """Declare `--digits-model`; `what` begins its help."""
    parser.add_argument(
        "--digits-model",
        metavar="FILE",
        help=f"{what}: a download (.tar.gz, .tar.bz2, .tar, .zip) or a job folder",
    )
    parser.set_defaults(opened_model=None)


def add_fork(parser: argparse._ActionsContainer) -> None:
    """Declare `--fork`, which applies wherever the command reads a net (see `fcnkit.commands.main`)."""
    parser.add_argument(
        "--fork",
        choices=list(FORKS),
        help="the fork of Caffe that wrote the nets: binary ones need it, and texts whose BN could "
        "be SegNet's or PSPNet's (BVLC Caffe)",
    )


def add_engine(parser: argparse._ActionsContainer) -> None:
    """Declare `--gpu` and `--allow-python`."""
    parser.add_argument("--gpu", type=int, metavar="N", help="compute on this GPU (the CPU)")
    add_allow_python(parser)


def add_allow_python(parser: argparse._ActionsContainer) -> None:
    """Declare `--allow-python`, which may be repeated."""
    parser.add_argument(
        "--allow-python",
        action="append",
        default=[],
        metavar="MODULE",
        help="let the net run Python layers of this module",
    )


def add_classes(parser: argparse._ActionsContainer) -> None:
    """Declare `--classes` and `--palette`."""
    parser.add_argument(
        "--classes",
        metavar="FILE",
        help="class names, one a line, or `voc` (VOC's, for 21 classes)",
    )
    parser.add_argument(
        "--palette", metavar="FILE", help="text file of R G B lines, or a paletted image (VOC's)"
    )


def names_and_palette(
    args: argparse.Namespace,
) -> tuple[Sequence[str] | None, NDArray[np.uint8]]:
    """Return (class names or None, palette) from the arguments that are declared here."""
    run = trained_run(args)
    names = read_class_names(args.classes) if args.classes else run and run.names
    if args.palette:
        return names, read_palette(args.palette)
    if run is not None and run.palette is not None:
        return names, run.palette
    return names, default_palette(names)


def has_network(args: argparse.Namespace) -> bool:
    """Return whether the arguments of `add_network` name a network."""
    return bool(args.net or args.run_folder or args.digits_model)


def trained_run(args: argparse.Namespace) -> Run | None:
    """Return the `Run` that `--run` or `--digits-model` names, or None."""
    if args.run_folder and args.digits_model:
        raise InputError("--run and --digits-model name two networks: pass one of them")
    if args.run_folder:
        return read_run(args.run_folder)
    if args.digits_model:
        # Unpacked once, and there until the command ends.
        args.opened_model = args.opened_model or open_model(args.digits_model)
        return args.opened_model.run
    return None


def segmenter(args: argparse.Namespace) -> Segmenter:
    """Return the `Segmenter` that the arguments describe; sets `args.net` and `args.weights`."""
    mean, scale = (parse_mean(args.mean) if args.mean else None), args.input_scale
    run = trained_run(args)
    if run is not None:
        args.net, args.weights = args.net or run.net, args.weights or run.weights
        mean = run.mean if args.mean is None else mean
        scale = run.scale if scale is None else scale
    if not args.net or not args.weights:
        raise InputError(
            "no network given: pass --net and --weights, --run FOLDER (an output of train), or "
            "--digits-model FILE"
        )
    return Segmenter(
        args.net,
        args.weights,
        Preprocessor(mean, 1.0 if scale is None else scale, args.channels),
        args.output_blob,
        args.scale_to,
        args.gpu,
        args.allow_python,
    )


def unmatched_warning(segmenter: Segmenter, weights: str) -> str | None:
    """Return the warning about layers that found no weights, or None."""
    if not segmenter.unmatched:
        return None
    return (
        f"warning: {weights} has no weights for {', '.join(segmenter.unmatched)}: these layers "
        "keep what their fillers gave them"
    )
