"""Compare two models on images: their scores, their masks and the IoU between them."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import TYPE_CHECKING

from PIL import Image

from caffeformat import InputError, atomic_write
from fcnkit import inference
from fcnkit.datasets import default_palette, is_job
from fcnkit.images import parse_mean
from fcnkit.inference import TrainedNet, find_images, is_onnx, names_for
from fcnkit.training import read_run

from .arguments import basics, classes, network, pixels
from .arguments.basics import positive
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fcnkit.inference import Segmenter

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.input.option("images", "images, or folders of them", "IMAGE", nargs="+")
    for which in ("first", "second"):
        network.add_net(
            parser.network,
            f"--{which}",
            what=f"{which} model: NET WEIGHTS, MODEL.onnx, RUN (an output of train) or a DIGITS "
            "model (a download or a job folder); NET is",
            nargs="+",
            required=True,
            metavar="FILE",
        )
    network.add_preprocessing(parser, "the run's, otherwise none", "the run's, otherwise 1")
    network.add_output_blob(parser)
    pixels.add_depth(parser.network, "the run's, otherwise uint8")
    pixels.add_white(parser.network, "the run's; without one, such images are refused")
    basics.add_fork(parser)
    basics.add_json(parser)
    parser.output.option(
        "--sheet", "write a contact sheet of the images that differ most", "FILE.png"
    )
    pixels.add_bands(parser.output)
    basics.add_force(parser)
    classes.add_classes(
        parser, "VOC's for 21 classes", "VOC's, or distinct colours past 21 classes"
    )
    parser.options.option("--worst", "number of images to list", "N", positive(int), default=5)
    parser.options.option(
        "--at-least",
        "exit with 1 where a smaller share of the pixels, 0 to 1, has the same class",
        "SHARE",
        float,
    )
    basics.add_engine(parser)
    network.add_runtime(parser)


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, and write the requested files."""
    basics.refuse_existing(args, args.json, args.sheet)
    if args.at_least is not None and not 0 <= args.at_least <= 1:
        raise InputError(f"--at-least {args.at_least:g}: expected a share from 0 to 1")
    names: Sequence[str] | None
    names, palette = classes.names_and_palette(args)
    if palette is None:
        palette = default_palette(names)
    images = find_images(args.images)
    models = [_model(args, files) for files in (args.first, args.second)]  # and their files
    first, second = (_segmenter(args, model) for model in models)
    with Console() as console:
        found = inference.compare_models(first, second, images, args.worst, console, args.bands)
    for model, files in ((first, args.first), (second, args.second)):
        warning = network.unmatched_warning(model, files[-1])
        if warning:
            console.warn(warning)
        if model.note:
            console.note(model.note)
    if found.largest("largest") is not None:
        names = names_for(found.board.matrix.n, names)
    if args.json != "-":
        say("\n".join(inference.comparison_table(found, names)))
    basics.write_json_output(args, inference.comparison_as_dict(found, names))
    if args.sheet:
        with atomic_write(args.sheet) as file:
            Image.fromarray(inference.comparison_sheet(found, palette)).save(file, format="PNG")
    if args.at_least is None:
        return 0
    if found.equal < args.at_least:
        say(
            f"error: {100 * found.equal:.4f}% of the pixels have the same class; expected at least "
            f"{100 * args.at_least:.4f}%",
            file=sys.stderr,
        )
        return 1
    if found.problems:
        say("error: scores that are not finite numbers agree with nothing", file=sys.stderr)
        return 1
    return 0


def _model(args: argparse.Namespace, files: Sequence[str]) -> TrainedNet:
    """Return the model that `files` name, with what other arguments set."""
    if len(files) == 2:
        found = TrainedNet(network.net_path(files[0]), files[1])
    elif len(files) == 1 and is_onnx(files[0]):
        found = TrainedNet(files[0], files[0])
    elif len(files) == 1 and (os.path.isdir(files[0]) or files[0].endswith(network.DOWNLOADS)):
        found = _whole_model(files[0])
    else:
        raise InputError(
            f"{' '.join(files)}: expected a model: NET WEIGHTS, MODEL.onnx, RUN or a DIGITS model"
        )
    return dataclasses.replace(
        found,
        mean=parse_mean(args.mean) if args.mean else found.mean,
        scale=args.input_scale or found.scale,
        form=network.image_form(args, found.form),
    )


def _whole_model(path: str) -> TrainedNet:
    """Return the model in a folder or an archive: an output of train, or one of DIGITS."""
    is_digits = is_job(path) or os.path.isfile(os.path.join(path, "info.json"))
    return network.digits_model(path) if is_digits or os.path.isfile(path) else read_run(path)


def _segmenter(args: argparse.Namespace, model: TrainedNet) -> Segmenter:
    if is_onnx(model.net):  # which runs in ONNX Runtime whatever the other model runs in
        return model.segmenter(args.channels, args.output_blob)
    return model.segmenter(
        args.channels,
        args.output_blob,
        gpu=args.gpu,
        allow_python=args.allow_python,
        runtime=args.runtime,
    )
