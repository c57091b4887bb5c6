"""Run a net or a solver on BVLC Caffe and on torchcaffe, and print how far the results differ."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from caffeformat import filter_net, is_solver, pb, read_caffemodel, read_net
from fcnkit import engine, nets
from fcnkit.engine import training_net

from .arguments import basics, network
from .arguments.basics import positive
from .printing import say

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fcnkit.engine import Row

    from .arguments.basics import CommandParser


def add_arguments(parser: CommandParser) -> None:
    """Declare the command's arguments."""
    network.add_net(
        parser.input,
        "file",
        metavar="NET|SOLVER",
        more="; or a solver.prototxt, to compare a training run",
    )
    parser.input.option(
        "weights",
        network.WEIGHTS,
        "WEIGHTS",
        otherwise="random weights; for solvers, those of the fillers",
        nargs="?",
    )
    parser.input.option("--state", ".solverstate to continue from, for solvers", "FILE")
    basics.add_json(parser)
    basics.add_force(parser)
    network.add_phase(parser, ("TRAIN", "TEST"), "TEST")
    parser.options.flag("--forward-only", "do not compare gradients, for nets")
    parser.options.option("--steps", "number of steps, for solvers", "N", positive(int), default=20)
    parser.options.option(
        "--tolerance",
        "largest relative difference",
        "SHARE",
        positive(float),
        otherwise="1e-4; 1e-2 for solvers",
    )
    parser.engine.option(
        "--root", "folder of a Debian 11 with BVLC Caffe", "FOLDER", otherwise=".bullseye"
    )
    basics.add_allow_python(parser)


def run(args: argparse.Namespace) -> int:
    """Compare; return 1 where something differs by more than the tolerance."""
    basics.refuse_existing(args, args.json)
    path = network.net_path(args.file)
    options_of_both = {"root": args.root, "allow_python": args.allow_python}
    trains = is_solver(path)
    net = training_net(path) if trains else read_net(path)
    if trains:
        engine.refuse_forks_of_solver(path)
    else:
        engine.refuse_forks(net, path, filter_net(net, getattr(pb, args.phase)))
    if trains or args.phase == "TRAIN":
        _warn_of_random_layers(filter_net(net, pb.TRAIN))
    if trains:
        rows = engine.compare_solvers(path, args.steps, args.weights, args.state, **options_of_both)
    else:
        backward = not args.forward_only and _has_gradients(net, args.phase)
        rows = engine.compare_nets([path], args.phase, args.weights, backward, **options_of_both)[
            path
        ]
    if args.weights:
        _warn_of_missing(args.weights, rows)
    tolerance = args.tolerance or (1e-2 if trains else 1e-4)
    worst = max(rows, key=lambda row: row.difference)
    if args.json != "-":
        say("\n".join(table(rows, tolerance)))
        for row in rows:
            if row.problem:
                say(f"{_label(row)}: {row.problem}")
        say(f"largest relative difference: {worst.difference:.1e} at {_label(worst)}")
    basics.write_json_output(args, engine.rows_as_data(rows))
    return int(not worst.difference <= tolerance)


def table(rows: Sequence[Row], tolerance: float) -> list[str]:
    """Lines to print, one per blob or parameter: name, shape, and how far its values and gradients
    differ, absolute and relative (`differences.largest_difference`)."""
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
        pair = [row, found.get((values[row.kind] or "", row.name))]
        shape = "x".join(map(str, row.shape)) or "1"
        line = f"{row.name:{width}}{shape:>18}"
        line += " ".join(f"{one.absolute:10.1e}{one.difference:10.1e}" for one in pair if one)
        beyond = any(one and not one.difference <= tolerance for one in pair)
        lines.append((line + "  <--" * beyond).rstrip())
    return lines


def _label(row: Row) -> str:
    kinds = {
        "data": "blob", "diff": "the gradient of blob", "param": "parameter",
        "paramdiff": "the gradient of parameter", "step": "output",
    }  # fmt: skip
    return f"{kinds[row.kind]} {row.name}"


def _has_gradients(net: pb.NetParameter, phase: str) -> bool:
    """Whether Caffe would compute any gradient; prints a line where it would not."""
    there = filter_net(net, getattr(pb, phase))
    unnamed = any(layer.type.endswith("Loss") and not layer.top for layer in there.layer)
    if net.force_backward or unnamed or nets.loss_weights(there):
        return True
    say(
        f"no gradients: in phase {phase} the net has no loss; compare the training net, or set "
        "force_backward: true in it"
    )
    return False


def _warn_of_missing(weights: str, rows: Sequence[Row]) -> None:
    layers = {row.name.rpartition(":")[0]: None for row in rows if row.kind == "param"}
    found = read_caffemodel(weights)
    missing = [name for name in layers if name not in found]
    if missing:
        say(
            f"warning: {weights} has nothing for {', '.join(missing)}: these start with random "
            "values, the same in both engines",
            file=sys.stderr,
        )


def _warn_of_random_layers(net: pb.NetParameter) -> None:
    found = engine.random_layers(net)
    if found:
        say(
            f"warning: {', '.join(found)} draw random numbers, and the engines draw different ones",
            file=sys.stderr,
        )
