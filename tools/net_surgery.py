#!/usr/bin/env python3
"""Turn a classifier's weights into a fully convolutional network's, on files, with no engine.

Without arguments: fetch BVLC's AlexNet, transplant it into FCN-AlexNet and save
fcn_alexnet.caffemodel.
"""

import os
import sys

from caffeformat import InputError, filter_net, pb, read_caffemodel, read_net, write_caffemodel
from fcnkit import cli, downloads, prototxt
from fcnkit.parameters import image_shapes
from fcnkit.surgery import check_fit, name_map, transplant

SOURCE = "bvlc_alexnet"
TARGET = "fcn_alexnet"


def add_arguments(parser):
    parser.add_argument("--weights", help=f"weights to start from (default: fetch {SOURCE})")
    parser.add_argument("--model", help="network of those weights: they are checked against it")
    parser.add_argument(
        "--target",
        default=TARGET,
        help="network to fill: a name under prototxt/ or a prototxt file (default: %(default)s)",
    )
    parser.add_argument("--output", help="file to write (default: <target>.caffemodel, here)")
    parser.add_argument(
        "--name-map",
        action="append",
        default=[],
        metavar="SOURCE=TARGET",
        help="layers whose names differ, or a file of such lines; may be given several times",
    )
    parser.add_argument("--seed", type=int, default=0, help="of random fillers (default: 0)")
    parser.add_argument("--force", action="store_true", help="replace the output file")


def run(args):
    target_path, target_name = _target(args.target)
    output = args.output or f"{target_name}.caffemodel"
    if os.path.exists(output) and not args.force:
        raise InputError(f"{output} exists already: use --force to replace it, or another --output")
    names = name_map(args.name_map)
    target = _deploy(target_path)
    weights_path, model_path = _source(args)
    source_name = os.path.basename(weights_path)

    print(f"Loading {source_name}...")
    source = read_caffemodel(weights_path)
    if model_path:
        check_fit(source, _deploy(model_path), weights_path, model_path)
    print("Transplanting parameters...")
    result = transplant(source, target, names, image_shapes(target), seed=args.seed)
    for step in result.steps:
        print(step)
    print(f"Saving {target_name} to {output}")
    write_caffemodel(output, result.weights, target)
    _summarize(result, source_name)


def _target(name):
    """The path of the target's prototxt and what to call the network."""
    if os.path.basename(name) == name and not name.endswith(".prototxt"):
        return prototxt.path(name, "deploy.prototxt"), name
    folder, file = os.path.split(os.path.abspath(name))
    stem = os.path.splitext(file)[0]
    # Files that are called alike everywhere are known by their folder.
    return name, os.path.basename(folder) if stem in ("deploy", "train_val") else stem


def _source(args):
    """The paths of the weights and of their network (None where nobody named one)."""
    if args.weights:
        return args.weights, args.model
    if args.model:
        raise InputError("--model needs --weights: say which weights are that network's")
    print("Downloading files (this might take a few minutes)...")
    return downloads.fetch(SOURCE, ".", quiet=False), prototxt.path(SOURCE, "deploy.prototxt")


def _deploy(path):
    return filter_net(read_net(path), pb.TEST, stages=["deploy"])


def _summarize(result, source_name):
    total = len(result.moved) + len(result.filled)
    print(f"{len(result.moved)} of {total} blobs come from {source_name}")
    for step in result.filled:
        print(f"got nothing: {step.target} {step.index} {step.target_shape}, now {step.reason}")


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
