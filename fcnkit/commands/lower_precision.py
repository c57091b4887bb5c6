"""What `export` does for a lower precision: convert the model, and print what that changes."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, infer_shapes
from caffeformat.exchange import needed_net, value_graph
from fcnkit import export
from fcnkit.images import IGNORE_LABEL, ImageForm
from fcnkit.surgery import fold_batch_norm

from .arguments import basics
from .arguments.basics import positive
from .console import Console
from .printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caffeformat import Weights, pb
    from fcnkit.datasets import SegmentationDataset
    from fcnkit.export import OnnxSegmenter, SignOff
    from fcnkit.images import Preprocessor

    from .arguments.basics import CommandParser


def add_arguments_of_precision(parser: CommandParser) -> None:
    """Declare `--int8`, `--half`, and the images that they need."""
    parser.output.flag(
        "--int8",
        "let the convolutions of the ONNX model compute in 8-bit integers, whose ranges are taken "
        "from the images of --calibrate",
    )
    parser.output.flag(
        "--half", "write weights and activations of the ONNX model as float16, half the size"
    )
    basics.add_json(parser)
    parser.data.option(
        "--calibrate",
        "images for --int8, and for the table that closes it and --half: a folder of images, a "
        "dataset folder (its part train; the table is of val), a folder of VOC, or an LMDB",
        "FOLDER|LMDB",
    )
    parser.data.option(
        "--labels",
        "folder of labels with the names of the images or masks",
        "FOLDER",
    )
    parser.data.option(
        "--calibration-images",
        "number of images to calibrate on, evenly spread",
        "N",
        positive(int),
        default=100,
    )
    parser.data.option(
        "--table-images",
        "number of images for the closing table, evenly spread",
        "N",
        positive(int),
        otherwise="all",
    )


def precision(args: argparse.Namespace) -> str | None:
    """Return the precision that the arguments ask for, None for float32.

    Raises `InputError` for arguments that contradict each other.
    """
    if args.int8 and args.half:
        raise InputError("--int8 and --half are two precisions: pass one of them")
    chosen = "int8" if args.int8 else "float16" if args.half else None
    if chosen is None:
        alone = ("calibrate", "labels", "table_images", "json")
        basics.refuse_given(args, alone, "is for --int8 and --half")
    if args.int8 and not args.calibrate:
        raise InputError(
            "--int8 needs images from which it takes the ranges of the activations: pass "
            "--calibrate"
        )
    if args.labels and not args.calibrate:
        raise InputError("--labels are those of the images of --calibrate: pass both")
    if chosen and not args.folder and export.kind_of(args.output) != ".onnx":
        raise InputError(f"{args.output}: --int8 and --half are for .onnx and --folder")
    return chosen


@contextlib.contextmanager
def json_alone(args: argparse.Namespace) -> Iterator[None]:
    """Send what the command prints to the error stream where the JSON takes the standard output."""
    if args.json != "-":
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def folded(
    net: pb.NetParameter, weights: Weights, outputs: list[str] | None
) -> tuple[pb.NetParameter, Weights]:
    """Return the net with its batch normalization folded, where that leaves the outputs there."""
    names = value_graph(net, outputs).outputs
    made, kept = fold_batch_norm(needed_net(net, outputs), weights)
    there = {top for layer in made.layer for top in layer.top}
    return (made, kept) if there.issuperset(names) else (net, weights)


def lower(
    args: argparse.Namespace,
    chosen: str,
    path: str,
    net: pb.NetParameter,
    preprocessor: Preprocessor | None,
) -> SignOff:
    """Turn the float32 model at `path` into one of lower precision; returns what that changed.

    `preprocessor` is what images go through before the model, None where the model has it inside.
    """
    model = args.model
    ignore = None if model is None else model.ignore
    form = ImageForm(None, args.depth) if model is None or args.depth else model.form
    shape = infer_shapes(net)[value_graph(net, args.blob).outputs[0]]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_errors_name_output(args, path))
        console = stack.enter_context(Console())
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=os.path.dirname(path)))
        made = os.path.join(folder, export.MODEL)
        segmenter = export.OnnxSegmenter(path, preprocessor, form=form)
        if args.calibrate:
            images, judged = map(
                stack.enter_context, export.open_images(args.calibrate, args.labels)
            )
        else:
            sizes = [args.input_size] if args.input_size else export.SIZES
            images = judged = export.NoiseImages(sizes)
        if args.calibrate and not (model or args.mean or args.input_scale):
            console.note(
                "the images go into the net as they are: pass --mean and --input-scale, or --run, "
                "if it was trained with others"
            )
        convert = export.to_int8 if chosen == "int8" else export.to_half
        convert(path, made, _inputs(segmenter, images, args.calibration_images, console))
        found = export.sign_off(
            chosen,
            segmenter,
            export.OnnxSegmenter(made, preprocessor, form=form),
            judged,
            shape[1] if len(shape) > 1 else 1,
            IGNORE_LABEL if ignore is None else ignore,
            args.table_images,
            console,
        )
        os.replace(made, path)
    for line in found.table():
        say(line)
    return found


@contextlib.contextmanager
def _errors_name_output(args: argparse.Namespace, path: str) -> Iterator[None]:
    """Let errors about the model at `path`, where it is made, name it as it will be called."""
    output = os.path.join(args.output, export.MODEL) if args.folder else args.output
    try:
        yield
    except InputError as error:
        if path not in error.text:
            raise
        raise InputError(error.text.replace(path, output), options=error.options) from error


def _inputs(
    segmenter: OnnxSegmenter, dataset: SegmentationDataset, most: int, console: Console
) -> Iterator[NDArray[Any]]:
    """What the model is given for the images to calibrate on."""
    chosen = export.spread(dataset, most)
    for number, index in enumerate(chosen, 1):
        image = dataset.image(index, segmenter.form)
        yield from segmenter.inputs(image, dataset.ids[index])
        console.step(number, len(chosen), "calibration")
