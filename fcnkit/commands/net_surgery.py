"""Turn a classifier into a fully convolutional network, on files, with no engine.

Without arguments: download BVLC's AlexNet, transplant it into FCN-AlexNet and save
fcn_alexnet.caffemodel. With --classes: make the FCN of any classifier, --net, in a folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import (
    InputError,
    filter_net,
    pb,
    read_caffemodel,
    read_net,
    write_caffemodel,
)
from fcnkit import downloads, zoo
from fcnkit.files import output_folder
from fcnkit.nets import image_shapes
from fcnkit.surgery import (
    Images,
    check_fit,
    fcn_from_classifier,
    for_channels,
    images_of,
    images_of_model,
    mean_values,
    name_fillers,
    name_map,
    surgery_text,
    trained_layers,
    transplant,
    with_channels,
    write_files,
)
from fcnkit.zoo import network_file

from .arguments import basics, classes, network, pixels
from .arguments.basics import positive
from .console import Console
from .printing import say

if TYPE_CHECKING:
    import argparse

    from fcnkit.surgery import Transplant

    from .arguments.basics import CommandParser

SOURCE = "bvlc_alexnet"
TARGET = "fcn_alexnet"

# Options of automatic surgery alone
_AUTO_ONLY = (
    *("stride", "dilate", "skip", "keep_scores", "input_pad", "mean", "input_scale"),
    *("channels", "bands"),
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(
        parser.input,
        "--net --model",
        what="classifier that the weights belong to:",
        otherwise=SOURCE,
        dest="model",
    )
    parser.input.option(
        "--weights",
        f"its weights: {network.WEIGHTS}",
        "FILE",
        otherwise=f"without --net, download {SOURCE}",
    )
    network.add_digits_model(parser.input)
    basics.add_output(
        parser,
        "file to write, or with --classes a folder (default: <target>.caffemodel, or fcn_<net>, "
        "in the current folder)",
        required=False,
    )
    basics.add_force(parser)
    network.add_net(parser.network, "--target", what="network to fill:", otherwise=TARGET)
    parser.network.option(
        "--name-map",
        "pair of layers whose names differ, or a file with one pair per line; may be repeated",
        "SOURCE=TARGET",
        default=[],
        action="append",
    )
    basics.add_fork(parser)
    network.add_mean(
        parser, "that of the classifier's data layer, or none", "that of the same layer, or 1"
    )
    classes.add_classes(parser, "fill an existing network, --target, instead of making one")
    parser.options.option(
        "--stride",
        "with --classes: stride of the finest features that are scored: 32, 16, 8, ...",
        "PIXELS",
        int,
        otherwise="the coarsest, without skips",
    )
    parser.options.flag(
        "--dilate", "with --classes: reach --stride by dilated kernels, without skips"
    )
    parser.options.option(
        "--skip",
        "with --classes: features to score instead of the last of each stride; may be repeated",
        "BLOB",
        action="append",
    )
    parser.options.flag(
        "--keep-scores",
        "with --classes: keep the classifier's scoring layer, if its classes are those of the FCN",
    )
    parser.options.option(
        "--input-pad",
        "with --classes: pad images by this many pixels",
        "PIXELS",
        int,
        otherwise="as all image sizes need",
    )
    parser.options.option(
        "--channels",
        "with --classes: number of channels of the images; further ones get the average of the "
        "classifier's weights, a single one their sum",
        "N",
        positive(int),
        otherwise="the classifier's",
    )
    pixels.add_bands(parser.options, "the first three; they get the colours' weights")
    basics.add_seed(parser, 0)


def run(args: argparse.Namespace) -> None:
    """Make the FCN of a classifier if --classes is given, else fill a network that exists."""
    if args.digits_model and (args.model or args.weights):
        raise InputError(
            "--digits-model is a net with its weights: pass it alone, or --net and --weights"
        )
    if args.classes is not None:
        return _run_auto(args)
    given = [name for name in _AUTO_ONLY if getattr(args, name) not in (None, False)]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise InputError(f"{option} is for an FCN of a classifier; pass --classes N, too")
    return _run_transplant(args)


def _run_auto(args: argparse.Namespace) -> None:
    """Make the FCN of a classifier, with its files in a folder of their own."""
    if not args.model and not args.digits_model:
        raise InputError(
            "--classes makes an FCN of a classifier; pass that, too: --net deploy.prototxt"
        )
    if args.target or args.name_map:
        raise InputError("--target and --name-map are for networks that exist; --classes makes one")
    digits = network.digits_model(args.digits_model) if args.digits_model else None
    if digits is not None:
        model, weights = digits.net, digits.weights
        model_name = _stem(args.digits_model)
    else:
        (model, model_name), weights = network_file(args.model), args.weights
    folder = args.output or f"fcn_{model_name}"
    classifier = read_net(model)
    _, count = classes.parse_classes(args.classes)
    source = read_caffemodel(weights) if weights else None
    if digits is not None:
        images = images_of_model(digits.mean, digits.scale, "from the DIGITS model")
    else:
        images = images_of(classifier, model)
    changes: dict[str, str] = {}
    if args.channels is not None:
        classifier, source, changes = with_channels(classifier, source, args.channels, args.bands)
        images = for_channels(images, args.channels)
    elif args.bands is not None:
        raise InputError("--bands says which of several channels are colours; pass --channels, too")
    fcn = fcn_from_classifier(
        classifier,
        count,
        args.stride,
        args.dilate,
        args.keep_scores,
        args.skip,
        args.input_pad,
    )
    for name, change in changes.items():
        fcn.changes[name] = ", ".join(filter(None, [fcn.changes.get(name), change]))
    result = None
    if source is not None:
        check_fit(source, trained_layers(fcn, args.keep_scores), weights, model)
        result = transplant(source, fcn.net, seed=args.seed)
    else:
        name_fillers(fcn)
    if args.mean is not None:
        images = Images(mean_values(args.mean, fcn), images.scale, "from --mean", None)
    if args.input_scale:
        images = images._replace(scale=args.input_scale)
    with output_folder(folder, args.force, [model, weights, args.digits_model]) as partial:
        name = os.path.basename(os.path.abspath(folder))
        files = write_files(partial, name, fcn, images, result and result.weights)
    say(surgery_text(fcn, images))
    if result is not None:
        moved, total = len(result.moved), len(result.moved) + len(result.filled)
        say(f"{moved} of {total} blobs come from {os.path.basename(weights)}")
    say(f"wrote {', '.join(files)} to {folder}")


def _stem(path: str) -> str:
    """The name of a DIGITS download without what its kind is called, or of a job's folder."""
    name = os.path.basename(os.path.abspath(path))
    for ending in network.DOWNLOADS:
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def _run_transplant(args: argparse.Namespace) -> None:
    """Move weights into a network that exists."""
    target_path, target_name = network_file(args.target or TARGET)
    output = args.output or f"{target_name}.caffemodel"
    basics.refuse_existing(args, output)
    names = name_map(args.name_map)
    target = _deploy(target_path)
    digits = network.digits_model(args.digits_model) if args.digits_model else None
    weights_path, model_path = (digits.weights, digits.net) if digits else _source(args)
    source_name = os.path.basename(weights_path)

    say(f"Loading {source_name}...")
    source = read_caffemodel(weights_path)
    if model_path:
        check_fit(source, _deploy(model_path), weights_path, model_path)
    say("Transplanting parameters...")
    result = transplant(source, target, names, image_shapes(target), seed=args.seed)
    for step in result.steps:
        say(step)
    say(f"Saving {target_name} to {output}")
    write_caffemodel(output, result.weights, target)
    _summarize(result, source_name)


def _source(args: argparse.Namespace) -> tuple[str, str | None]:
    """The paths of the weights and of their network (None if none is named)."""
    if args.weights:
        model = args.model and network_file(args.model)[0]
        return args.weights, model
    if args.model:
        raise InputError("--net needs --weights: pass the weights of that network")
    say("Downloading files (this might take a few minutes)...")
    with Console("MB") as console:
        return downloads.fetch(SOURCE, ".", progress=console), zoo.path(SOURCE, "deploy.prototxt")


def _deploy(path: str) -> pb.NetParameter:
    return filter_net(read_net(path), pb.TEST, stages=["deploy"])


def _summarize(result: Transplant, source_name: str) -> None:
    total = len(result.moved) + len(result.filled)
    say(f"{len(result.moved)} of {total} blobs come from {source_name}")
    for step in result.filled:
        say(f"got nothing: {step.target} {step.index} {step.target_shape}, now {step.reason}")
