#!/usr/bin/env python3
"""Run a net or a solver on BVLC Caffe and on torchcaffe and print how far apart they come out."""

import os
import sys

from caffeformat import InputError, filter_net, is_solver, pb, read_caffemodel, read_net
from fcnkit import cli, engine, engine_comparison, networks
from fcnkit.engine_runs import training_net
from fcnkit.reports import write_json
from fcnkit.tools import options


def add_arguments(parser):
    """Declare the command's arguments."""
    parser.add_argument("file", help="NET.prototxt, or SOLVER.prototxt to compare a training")
    parser.add_argument("weights", nargs="?", help="caffemodel (random; solvers: by the fillers)")
    parser.add_argument("--root", help="Debian 11 folder with BVLC Caffe (.bullseye)")
    parser.add_argument(
        "--tolerance",
        type=options.positive(float),
        help="largest relative difference (1e-4; of a training's last steps and weights 1e-2)",
    )
    group = parser.add_argument_group("nets")
    group.add_argument("--phase", choices=("TRAIN", "TEST"), default="TEST")
    group.add_argument("--forward-only", action="store_true", help="no gradients")
    group = parser.add_argument_group("solvers")
    group.add_argument("--steps", type=options.positive(int), default=20, help="(20)")
    group.add_argument("--state", help="solver state to go on from")
    parser.add_argument("--json", metavar="FILE", help="also write the differences here")
    parser.add_argument("--force", action="store_true", help="overwrite this file")
    options.add_allow_python(parser)


def run(args):
    """Compare; 1 where something differs by more than the tolerance."""
    if args.json and os.path.exists(args.json) and not args.force:
        raise InputError(f"{args.json} is there already: choose another name, or say --force")
    options_of_both = {"root": args.root, "allow_python": args.allow_python}
    trains = is_solver(args.file)
    net = training_net(args.file) if trains else read_net(args.file)
    if trains:
        engine.refuse_forks_of_solver(args.file)
    else:
        engine.refuse_forks(net, args.file, filter_net(net, getattr(pb, args.phase)))
    if trains or args.phase == "TRAIN":
        _warn_of_chance(filter_net(net, pb.TRAIN))
    if trains:
        rows = engine_comparison.compare_solvers(
            args.file, args.steps, args.weights, args.state, **options_of_both
        )
    else:
        backward = not args.forward_only and _has_gradients(net, args.phase)
        rows = engine_comparison.compare_nets(
            [args.file], args.phase, args.weights, backward, **options_of_both
        )[args.file]
    if args.weights:
        _warn_of_missing(args.weights, rows)
    tolerance = args.tolerance or (1e-2 if trains else 1e-4)
    print("\n".join(table(rows, tolerance)))
    for row in rows:
        if row.problem:
            print(f"{_label(row)}: {row.problem}")
    if args.json:
        write_json(args.json, engine_comparison.as_data(rows))
    worst = max(rows, key=lambda row: row.difference)
    print(f"largest relative difference: {worst.difference:.1e} at {_label(worst)}")
    return int(not worst.difference <= tolerance)


def table(rows, tolerance):
    """Lines, one a blob or parameter: its name and shape, and how far its values and gradients are
    apart, absolute and relative (`differences.largest_difference`)."""
    values = {"data": "diff", "param": "paramdiff", "step": None}
    found = {(row.kind, row.name): row for row in rows}
    width = max(len(row.name) for row in rows) + 2
    heading = f"{'':{width + 18}}{'values':>10}{'relative':>10}"
    if any(row.kind in ("diff", "paramdiff") for row in rows):
        heading += f"{'gradients':>11}{'relative':>10}"
    lines = [heading]
    for row in rows:
        if row.kind not in values:
            continue
        pair = [row, found.get((values[row.kind], row.name))]
        shape = "x".join(map(str, row.shape)) or "1"
        line = f"{row.name:{width}}{shape:>18}"
        line += " ".join(f"{one.absolute:10.1e}{one.difference:10.1e}" for one in pair if one)
        beyond = any(one and not one.difference <= tolerance for one in pair)
        lines.append((line + "  <--" * beyond).rstrip())
    return lines


def _label(row):
    kinds = {
        "data": "blob", "diff": "the gradient of blob", "param": "parameter",
        "paramdiff": "the gradient of parameter", "step": "output",
    }  # fmt: skip
    return f"{kinds[row.kind]} {row.name}"


def _has_gradients(net, phase):
    """Whether Caffe would compute any gradient; says so where it would not."""
    there = filter_net(net, getattr(pb, phase))
    unnamed = any(layer.type.endswith("Loss") and not layer.top for layer in there.layer)
    if net.force_backward or unnamed or networks.loss_weights(there):
        return True
    print(
        f"no gradients: in phase {phase} the net has no loss; compare the training net, or say "
        "force_backward: true in it"
    )
    return False


def _warn_of_missing(weights, rows):
    layers = {row.name.rpartition(":")[0]: None for row in rows if row.kind == "param"}
    found = read_caffemodel(weights)
    missing = [name for name in layers if name not in found]
    if missing:
        print(
            f"warning: {weights} has nothing for {', '.join(missing)}: these began with random "
            "values, the same in both engines",
            file=sys.stderr,
        )


def _warn_of_chance(net):
    found = engine_comparison.random_layers(net)
    if found:
        print(
            f"warning: {', '.join(found)} draw random numbers, and the engines draw different ones",
            file=sys.stderr,
        )


if __name__ == "__main__":
    sys.exit(cli.run_module(sys.modules[__name__]))
