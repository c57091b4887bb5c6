"""What `export` writes of a whole model: a folder with a card, or an archive for DIGITS."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, read_caffemodel
from fcnkit import export
from fcnkit.digits import open_model, write_archive
from fcnkit.images import IGNORE_LABEL, Preprocessor
from fcnkit.training import run_facts, steps_of

from . import lower_precision
from .arguments import basics, classes, network

if TYPE_CHECKING:
    from caffeformat import Weights, pb

    from .arguments.basics import CommandParser

ARCHIVE = ".tar.gz"


def add_arguments_of_models(parser: CommandParser) -> None:
    """Declare `--folder` and what a model's card says."""
    parser.output.flag(
        "--folder",
        "write a model folder: model.onnx, model.safetensors, deploy.prototxt, config.json with "
        "classes and preprocessing, and a README.md with data, scores, recipe and licence",
    )
    parser.output.option("--name", "name of the model", otherwise="the net's")
    parser.output.option(
        "--licence",
        "licence of the weights for the card of --folder, such as apache-2.0",
        "LICENCE",
        otherwise="the card says that none was stated",
    )


def refuse_for_files(args: argparse.Namespace) -> None:
    """Refuse the options of whole models where one file is written that has no place for them."""
    basics.refuse_given(
        args,
        ("name", "licence", "classes", "palette"),
        f"is for model folders (--folder) and DIGITS' archives ({ARCHIVE})",
    )


def preprocessor(args: argparse.Namespace) -> Preprocessor:
    """What images go through before they are the net's input: as given, else the model's."""
    given = network.preprocessor(args)
    model = args.model
    if model is None:
        return given
    return Preprocessor(
        given.mean if args.mean else model.mean, args.input_scale or model.scale, args.channels
    )


def class_names(args: argparse.Namespace) -> list[str] | None:
    """The names of the classes: as given, else the model's."""
    names, _ = classes.names_and_palette(args)
    if names is None and args.model is not None and args.model.names:
        return list(args.model.names)
    return names


def write_folder(
    args: argparse.Namespace, folder: str, net: pb.NetParameter, weights: Weights
) -> export.ModelCard:
    """Write the model folder; returns its card."""
    _, palette = classes.names_and_palette(args)
    facts: dict[str, Any] = {}
    ignore = None
    if args.model is not None:
        palette = args.model.palette if palette is None else palette
        ignore = args.model.ignore
    if args.run_folder:
        found = run_facts(args.run_folder, steps_of(args.weights))
        facts = {"data": found.data, "images": found.images}
        facts.update(scores=found.scores, recipe=found.recipe)
    card = export.ModelCard(
        args.name or net.name or "net",
        class_names(args),
        palette,
        IGNORE_LABEL if ignore is None else ignore,
        args.licence,
        precision=lower_precision.precision(args) or "float32",
        **facts,
    )
    export.write_model_folder(folder, net, weights, card, preprocessor(args), args.input_size)
    return card


def write_digits(
    args: argparse.Namespace, path: str, net: pb.NetParameter, weights: Weights
) -> list[str]:
    """Write the archive for DIGITS to `path`; returns the names of its files."""
    basics.refuse_given(args, ("licence", "palette"), "has no place in DIGITS' archives")
    if args.input_size:
        raise InputError("--size is for ONNX models: DIGITS reshapes the net for each image")
    if args.name:
        renamed = type(net)()
        renamed.CopyFrom(net)
        renamed.name, net = args.name, renamed
    iteration = steps_of(args.weights) or 1  # DIGITS finds a snapshot by a number in its name
    return write_archive(path, net, weights, preprocessor(args), class_names(args), iteration)


def digits_weights(path: str) -> Weights:
    """The weights in a written archive, as a reader of DIGITS' models finds them."""
    model = open_model(path)
    return read_caffemodel(model.weights)
