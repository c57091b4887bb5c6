"""Write a network as ONNX, a model folder or a DIGITS archive, or its weights; and back."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING

from caffeformat import InputError, read_net
from caffeformat.exchange import value_graph
from caffeformat.files import atomic_path
from fcnkit import export
from fcnkit.files import output_folder

from . import exported_models, lower_precision
from .arguments import basics, classes, network, pixels
from .printing import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat import Weights, pb
    from fcnkit.export import SignOff
    from fcnkit.images import Preprocessor

    from .arguments.basics import CommandParser

# For scores: sums are rounded in another order; anything wrong differs by far more.
TOLERANCE = 1e-4
# For weights, which are not summed.
WEIGHT_TOLERANCE = 1e-6


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    kinds = ", ".join(export.KINDS)
    parser.has_optional_positions = True
    network.add_net(parser.input, "net", nargs="?")
    parser.input.option("weights", f"its weights: {kinds}", "WEIGHTS", nargs="?")
    network.add_models(parser.input, "; a model folder's card names its data, scores and recipe")
    basics.add_output_position(
        parser,
        f"file to write: {kinds}, {exported_models.ARCHIVE} for DIGITS; or with --folder a folder",
    )
    parser.output.option(
        "--blob",
        "output to export; may be repeated",
        "NAME",
        otherwise="all blobs that no layer uses",
        action="append",
    )
    parser.output.flag(
        "--preprocess",
        "make the input of the ONNX model an image, H x W x channels, RGB where it has three, with "
        "mean and scale inside the model",
    )
    parser.output.flag(
        "--argmax", "make the output of the ONNX model the class map, uint8, instead of the scores"
    )
    parser.output.option(
        "--input-size --size",
        "image size to fix in the ONNX model, for one image at a time",
        "HxW",
        _size,
        otherwise="free",
    )
    basics.add_force(parser)
    exported_models.add_arguments_of_models(parser)
    lower_precision.add_arguments_of_precision(parser)
    classes.add_classes(
        parser, "the run's; `class 0`, ... in a model folder without one", "the run's"
    )
    network.add_preprocessing(parser, "the run's, otherwise none", "the run's, otherwise 1")
    pixels.add_depth(parser.network, "uint8; with --preprocess")
    basics.add_fork(parser)
    parser.options.option(
        "--check-size",
        "image size at which to compare with the engine; may be repeated",
        "HxW",
        _size,
        otherwise="that of --size; " + ", ".join(f"{h}x{w}" for h, w in export.SIZES),
        action="append",
    )
    parser.options.flag("--no-check", "skip the comparison")
    basics.add_engine(parser)


def run(args: argparse.Namespace) -> int:
    """Export and compare; return 1 where the exported model computes something else.

    The file gets its name once it is checked: one that fails is not kept.
    """
    precision = lower_precision.precision(args)
    basics.refuse_existing(args, args.json)
    args = _with_model(args)
    try:
        with lower_precision.json_alone(args):
            found = _write(args, precision)
    except _Rejected:
        return 1
    if found is not None:
        basics.write_json_output(args, found.as_dict())
    return 0


def _with_model(args: argparse.Namespace) -> argparse.Namespace:
    """Return the arguments with the `model` that they name, or None, and its net and weights.

    Raises `InputError` where they name no network or no weights.
    """
    model = network.given_model(args)
    net, weights = args.net, args.weights
    if model is not None:
        net, weights = net or model.net, weights or model.weights
    if not weights:
        raise InputError(
            f"{net or args.output}: no network with its weights: pass NET WEIGHTS OUTPUT, or "
            "OUTPUT and --run FOLDER (an output of train) or --digits-model PATH"
        )
    return argparse.Namespace(**{**vars(args), "net": net, "weights": weights, "model": model})


def _write(args: argparse.Namespace, precision: str | None) -> SignOff | None:
    """Write the output; returns what a lower precision changed."""
    if args.folder:
        sources = (args.run_folder, args.digits_model)
        inputs = [network.net_path(args.net), args.weights, *sources, args.calibrate]
        with output_folder(args.output, args.force, [path for path in inputs if path]) as folder:
            return _export_folder(args, folder, precision)
    basics.refuse_existing(args, args.output)
    with atomic_path(args.output) as path:
        try:
            if args.output.endswith(exported_models.ARCHIVE):
                _accept(_export_archive(args, path))
                return None
            return _export(args, path, precision)
        except InputError as error:  # which names the file by the name that it has for now
            text = error.text.replace(path, args.output)
            raise InputError(text, options=error.options) from error


def _accept(status: int) -> None:
    if status:
        raise _Rejected


class _Rejected(Exception):
    """The exported file is not kept."""


def _export_folder(args: argparse.Namespace, folder: str, precision: str | None) -> SignOff | None:
    """Write the model folder and check its files; returns what a lower precision changed."""
    net, weights = _network(args)
    described = exported_models.write_folder(args, folder, net, weights)
    say(f"{args.output}: {', '.join(sorted(os.listdir(folder)))}")
    model = os.path.join(folder, export.MODEL)
    if precision:
        export.write_parameters(
            model, *lower_precision.folded(net, weights, None), size=args.input_size
        )
    _accept(_check_folder(args, folder, net, weights))
    if described.licence is None:
        say("the card states no licence of the weights: pass --licence before you publish it")
    if not precision:
        return None
    return lower_precision.lower(args, precision, model, net, exported_models.preprocessor(args))


def _check_folder(
    args: argparse.Namespace, folder: str, net: pb.NetParameter, weights: Weights
) -> int:
    """Check the files of a model folder; return 1 where they differ."""
    if args.no_check:
        say("not checked: neither the files nor what they compute")
        return 0
    back = export.read_parameters(os.path.join(folder, export.WEIGHTS), net)
    if not _same_weights(net, weights, back, None):
        say(f"error: {export.WEIGHTS} holds different weights", file=sys.stderr)
        return 1
    return _compare(args, os.path.join(folder, export.MODEL), net, weights, None)


def _export_archive(args: argparse.Namespace, path: str) -> int:
    """Write the archive for DIGITS and read it back; return 1 where it holds other weights."""
    net, weights = _network(args)
    members = exported_models.write_digits(args, path, net, weights)
    say(f"{args.output}: {', '.join(members)}")
    if args.no_check:
        say("not checked")
        return 0
    if not _same_weights(net, weights, exported_models.digits_weights(path), None):
        say("error: the archive holds different weights", file=sys.stderr)
        return 1
    return 0


def _network(args: argparse.Namespace) -> tuple[pb.NetParameter, Weights]:
    """The net and weights of a whole model; refuses options that only files have."""
    basics.refuse_given(
        args,
        ("blob", "preprocess", "argmax", "depth"),
        "is for files, not for model folders and DIGITS' archives",
    )
    net = export.deployed(read_net(network.net_path(args.net)))
    return net, export.read_parameters(args.weights, net)


def _export(args: argparse.Namespace, path: str, precision: str | None) -> SignOff | None:
    """Write the file to `path` and check it; returns what a lower precision changed."""
    preprocessor = _preprocessor(args, precision)
    kind = export.kind_of(args.output)
    if kind != ".onnx" and (preprocessor or args.argmax or args.input_size):
        raise InputError(
            "--preprocess, --argmax and --size are for .onnx: other files hold only weights"
        )
    exported_models.refuse_for_files(args)
    net = export.deployed(read_net(network.net_path(args.net)))
    weights = export.read_parameters(args.weights, net, args.blob)
    made = lower_precision.folded(net, weights, args.blob) if precision else (net, weights)
    onnx_options = {
        "preprocessor": preprocessor,
        "argmax": args.argmax,
        "depth": args.depth or "uint8",
        "size": args.input_size,
    }
    export.write_parameters(path, *made, args.blob, **(onnx_options if kind == ".onnx" else {}))
    if not precision:
        size = os.path.getsize(path) / (1 << 20)
        say(f"{args.output}: {size:.1f} MB, {len(value_graph(net, args.blob).nodes)} layers")
    if args.no_check:
        say("not checked: neither the file nor what it computes")
    else:
        _accept(_check(args, path, made, net, weights, preprocessor))
    if not precision:
        return None
    given = None if args.preprocess else exported_models.preprocessor(args)
    return lower_precision.lower(args, precision, path, net, given)


def _check(
    args: argparse.Namespace,
    path: str,
    made: tuple[pb.NetParameter, Weights],
    net: pb.NetParameter,
    weights: Weights,
    preprocessor: Preprocessor | None,
) -> int:
    """Check a file that holds the net and weights `made`; return 1 where it holds others."""
    back = export.read_parameters(path, made[0], args.blob)
    if not _same_weights(*made, back, args.blob):
        say("error: the file holds different weights", file=sys.stderr)
        return 1
    if export.kind_of(args.output) not in (".onnx", ".pt"):
        say("not compared with the engine: the file holds only weights")
        return 0
    return _compare(args, path, net, weights, preprocessor)


def _same_weights(
    net: pb.NetParameter, weights: Weights, back: Weights, outputs: Sequence[str] | None
) -> bool:
    """Print how far the weights that were read back are from those written; True where close."""
    found = export.parameter_difference(net, weights, back, outputs)
    if found is None:
        say("weights read back: the same, bit for bit")
        return True
    difference, blob = found
    say(
        f"weights read back: largest difference {difference:.1e} of the blob's largest value, at "
        f"{blob} (for BatchNorm's sums, of the mean and variance that they stand for)"
    )
    return difference <= WEIGHT_TOLERANCE


def _compare(
    args: argparse.Namespace,
    path: str,
    net: pb.NetParameter,
    weights: Weights,
    preprocessor: Preprocessor | None,
) -> int:
    say("compared with the engine:")
    worst = 0.0
    for found in export.differences(
        net,
        weights,
        path,
        args.blob,
        preprocessor,
        args.argmax,
        [args.input_size] if args.input_size else args.check_size or export.SIZES,
        args.depth or "uint8",
    ):
        head = f'  blob "{found.output}" for {"x".join(map(str, found.shape)):>14}  '
        if found.unequal is not None:
            say(f"{head}{100 * found.unequal:.4f}% of the pixels in another class")
            worst = max(worst, found.unequal)
            continue
        relative = found.largest / found.largest_score if found.largest_score else found.largest
        say(
            f"{head}largest difference {found.largest:.2e}, largest score "
            f"{found.largest_score:.4g}: {relative:.1e}"
        )
        worst = max(worst, relative)
    if not worst <= (1e-3 if args.argmax else TOLERANCE):
        say("error: the exported model computes something else", file=sys.stderr)
        return 1
    return 0


def _preprocessor(args: argparse.Namespace, precision: str | None) -> Preprocessor | None:
    if not args.preprocess:
        # Without it, they say what the images of a lower precision go through.
        if precision is None and (args.mean or args.input_scale or args.depth):
            raise InputError("--mean, --input-scale and --depth need --preprocess")
        return None
    return exported_models.preprocessor(args)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch("([1-9][0-9]*)x([1-9][0-9]*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: expected height x width, such as 500x375")
    return int(found.group(1)), int(found.group(2))
