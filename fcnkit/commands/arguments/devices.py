"""Arguments of commands that compute on several devices at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit import engine

from .basics import positive

if TYPE_CHECKING:
    import argparse

    from .basics import CommandParser


def add_devices(parser: CommandParser) -> None:
    """Declare `--gpu` and `--processes`."""
    parser.engine.option(
        "--gpu",
        "number of the GPU to compute on, several separated by commas, or all: a process for each",
        "N[,N...]|all",
        otherwise="the CPU",
    )
    parser.engine.option(
        "--processes", "number of processes on the CPU", "N", positive(int), default=1
    )


def add_precision(parser: CommandParser) -> None:
    """Declare `--precision`."""
    parser.engine.option(
        "--precision",
        "type in which nets compute; weights and losses are float32 in any case, and only "
        "torchcaffe has others than that",
        choices=engine.PRECISIONS,
        otherwise="float32",
    )


def add_training_devices(parser: CommandParser) -> None:
    """Declare how and on what every command that trains computes."""
    add_precision(parser)
    parser.engine.flag(
        "--recompute",
        "compute activations twice rather than keep them, which takes less memory and more time "
        "(torchcaffe only)",
    )
    parser.options.flag(
        "--sync-batch-norm",
        "with several GPUs or processes, BatchNorm normalizes by the batches of all of them",
    )
    add_devices(parser)


def devices(args: argparse.Namespace) -> engine.Devices:
    """Return the devices that the arguments name; `InputError` where they are not there."""
    gpu = args.gpu if args.gpu in (None, "all") else args.gpu.split(",")
    chosen = engine.devices_of(gpu)
    if args.processes > 1:
        chosen = engine.devices_of(engine.Devices(chosen.gpus, args.processes))
    return chosen
