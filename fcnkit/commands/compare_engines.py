"""Run a net or a solver on BVLC Caffe and on torchcaffe, and print how far the results differ."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from caffeformat import InputError, filter_net, is_solver, pb, read_caffemodel, read_net
from fcnkit import engine, nets
from fcnkit.engine import training_net
from fcnkit.files import write_json

from .arguments import network

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from fcnkit.engine import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", help="NET.prototxt, or SOLVER.prototxt to compare a training run")
    parser.add_argument(
        "weights",
        nargs="?",
        help="caffemodel (default: random weights; for solvers, those of the fillers)",
    )
    parser.add_argument("--root", help="folder of a Debian 11 with BVLC Caffe (default: .bullseye)")
    parser.add_argument(
        "--tolerance",
        type=network.positive(float),
        help="largest relative difference (default: 1e-4; for solvers 1e-2)",
    )
    group = parser.add_argument_group("nets")
    group.add_argument(
        "--phase", choices=("TRAIN", "TEST"), default="TEST", help="phase (default: TEST)"
    )
    group.add_argument("--forward-only", action="store_true", help="compare no gradients")
    group = parser.add_argument_group("solvers")
    group.add_argument(
        "--steps", type=network.positive(int), default=20, help="number of steps (default: 20)"
    )
    group.add_argument("--state", help="solver state to go on from")
    parser.add_argument("--json", metavar="FILE", help="also write the differences as JSON")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    network.add_allow_python(parser)


def run(args: argparse.Namespace) -> int:
    """Compare; return 1 where something differs by more than the tolerance."""
    if args.json and os.path.exists(args.json) and not args.force:
        raise InputError(f"{args.json} exists already: choose another name, or pass --force")
    options_of_both = {"root": args.root, "allow_python": args.allow_python}
    trains = is_solver(args.file)
    net = training_net(args.file) if trains else read_net(args.file)
    if trains:
        engine.refuse_forks_of_solver(args.file)
    else:
        engine.refuse_forks(net, args.file, filter_net(net, getattr(pb, args.phase)))
    if trains or args.phase == "TRAIN":
        _warn_of_random_layers(filter_net(net, pb.TRAIN))
    if trains:
        rows = engine.compare_solvers(
            args.file, args.steps, args.weights, args.state, **options_of_both
        )
    else:
        backward = not args.forward_only and _has_gradients(net, args.phase)
        rows = engine.compare_nets(
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
        write_json(args.json, engine.rows_as_data(rows))
    worst = max(rows, key=lambda row: row.difference)
    print(f"largest relative difference: {worst.difference:.1e} at {_label(worst)}")
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
    print(
        f"no gradients: in phase {phase} the net has no loss; compare the training net, or set "
        "force_backward: true in it"
    )
    return False


def _warn_of_missing(weights: str, rows: Sequence[Row]) -> None:
    layers = {row.name.rpartition(":")[0]: None for row in rows if row.kind == "param"}
    found = read_caffemodel(weights)
    missing = [name for name in layers if name not in found]
    if missing:
        print(
            f"warning: {weights} has nothing for {', '.join(missing)}: these start with random "
            "values, the same in both engines",
            file=sys.stderr,
        )


def _warn_of_random_layers(net: pb.NetParameter) -> None:
    found = engine.random_layers(net)
    if found:
        print(
            f"warning: {', '.join(found)} draw random numbers, and the engines draw different ones",
            file=sys.stderr,
        )
