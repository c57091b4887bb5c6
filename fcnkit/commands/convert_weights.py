"""Convert a network's weights from PyTorch, MindSpore or MXNet to the same network for Caffe."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING

from caffeformat import InputError, write_caffemodel, write_text
from fcnkit.files import output_folder
from fcnkit.state_dicts import convert, network_name, read_state_dict

from .arguments import basics, network
from .printing import say

if TYPE_CHECKING:
    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Writes deploy.prototxt, NAME.caffemodel and mean.txt into OUTPUT. The network reads BGR "
        "from 0 to 255 minus that mean; the rest of the original preprocessing is folded into the "
        "weights."
    )
    parser.input.option(
        "weights",
        "a state dict: .pth or .pt (PyTorch), .safetensors, .ckpt (MindSpore), .params (MXNet); "
        "no code in it is run",
        "WEIGHTS",
    )
    for name, what in (
        ("mean", "mean that the original network subtracts from its input"),
        ("std", "standard deviation that the original network divides its input by"),
    ):
        parser.input.option(
            f"--source-{name} --{name}",
            f"{what}, RGB from 0 to 1",
            ("R", "G", "B"),
            float,
            otherwise="ImageNet's; 0.5 for GoogLeNet",
            nargs=3,
        )
    basics.add_output_position(parser, "folder for the network")
    basics.add_force(parser)
    parser.network.option("--name", "name of the network", otherwise="from the file's name")
    parser.network.option(
        "--input-size --size",
        "input of deploy.prototxt",
        "HxW",
        _size,
        otherwise="224x224; 480x480 for GluonCV's FCN and PSPNet, 512x512 for MindSpore's FCN-8s",
    )
    network.add_input_scale(parser, "1")
    parser.options.flag(
        "--fold-batch-norm", "fold BatchNorm and Scale into the convolutions, for inference only"
    )


def run(args: argparse.Namespace) -> None:
    """Convert the weights and write the folder."""
    name = args.name or network_name(args.weights)
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise InputError(f"--name {name!r}: expected a file name without folders")
    tensors = read_state_dict(args.weights)
    try:
        made = convert(
            tensors,
            args.input_size,
            args.source_mean,
            args.source_std,
            args.fold_batch_norm,
            name,
            args.input_scale or 1.0,
        )
    except InputError as error:
        raise error.prefixed(args.weights) from error
    with output_folder(args.output, args.force, [args.weights]) as folder:
        write_text(os.path.join(folder, "deploy.prototxt"), made.net)
        write_caffemodel(os.path.join(folder, f"{name}.caffemodel"), made.weights, made.net)
        with open(os.path.join(folder, "mean.txt"), "w", encoding="utf-8") as file:
            file.write("# blue, green, red: subtracted from the input\n")
            file.write(" ".join(f"{value:.6g}" for value in made.mean) + "\n")
    blobs = [blob for blobs in made.weights.values() for blob in blobs]
    say(f"{args.weights}: {made.family}, {len(tensors)} tensors")
    say(f"{args.output}: {name}, {len(made.net.layer)} layers, {sum(b.size for b in blobs)} values")
    scaled = "" if made.scale == 1 else f", then times {made.scale:g}: pass --input-scale to infer"
    say("input: BGR, mean " + ",".join(f"{value:.6g}" for value in made.mean) + scaled)
    if made.left_out:
        say(f"left out, only needed for training: {len(made.left_out)} such as {made.left_out[0]}")


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?", text.lower())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r}: expected HEIGHTxWIDTH, such as 224x224")
    return int(match.group(1)), int(match.group(2) or match.group(1))
