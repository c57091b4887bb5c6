"""The `fcnkit` command: a table of commands, and errors turned into an exit status.

A command is a module with a one-line docstring, `add_arguments(parser)` and `run(args)`. It is
imported only when it is run, so that `fcnkit --help` loads no engine.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

from caffeformat import InputError
from caffeformat.messages import ForkWarning, assuming_fork

from .. import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# command -> (module, what it does)
COMMANDS = {
    "prepare_pascal_voc_data": (
        "fcnkit.commands.prepare_pascal_voc_data",
        "turn a PASCAL VOC archive into image and label folders",
    ),
    "prepare_sbd_data": (
        "fcnkit.commands.prepare_sbd_data",
        "turn SBD into image and label folders",
    ),
    "prepare_pascal_context_data": (
        "fcnkit.commands.prepare_pascal_context_data",
        "turn PASCAL-Context into image and label folders",
    ),
    "prepare_nyud_data": (
        "fcnkit.commands.prepare_nyud_data",
        "turn NYUDv2 into image and label folders",
    ),
    "prepare_siftflow_data": (
        "fcnkit.commands.prepare_siftflow_data",
        "turn SIFT Flow into image and label folders",
    ),
    "prepare_coco_data": (
        "fcnkit.commands.prepare_coco_data",
        "turn COCO into image and label folders of VOC's classes",
    ),
    "create_lmdb": ("fcnkit.commands.create_lmdb", "turn image and label folders into LMDBs"),
    "check_dataset": ("fcnkit.commands.check_dataset", "say what is in a dataset before training"),
    "download": ("fcnkit.commands.download", "fetch public archives and weights by name"),
    "net_surgery": (
        "fcnkit.commands.net_surgery",
        "turn a classifier into an FCN, weights and all",
    ),
    "check_crops": ("fcnkit.commands.check_crops", "say which offset each Crop should have"),
    "edit_weights": (
        "fcnkit.commands.edit_weights",
        "edit a caffemodel: classes, channels, names, kernels, BatchNorm",
    ),
    "convert_weights": (
        "fcnkit.commands.convert_weights",
        "turn a network's weights from PyTorch and others into Caffe's",
    ),
    "export": (
        "fcnkit.commands.export",
        "write a network as ONNX, or its weights as safetensors, and back",
    ),
    "draw_net": ("fcnkit.commands.draw_net", "draw a network as SVG, PNG, PDF or DOT"),
    "train": ("fcnkit.commands.train", "train an FCN from a solver"),
    "train_stages": ("fcnkit.commands.train_stages", "train FCN-32s, 16s and 8s in one go"),
    "infer": ("fcnkit.commands.infer", "segment images: masks, overlays, scores"),
    "score": ("fcnkit.commands.score", "score a network or a folder of masks"),
    "compare_models": (
        "fcnkit.commands.compare_models",
        "compare two models' scores and masks on images",
    ),
    "compare_engines": (
        "fcnkit.commands.compare_engines",
        "run a net or solver on BVLC Caffe and torchcaffe and compare",
    ),
    "preview": ("fcnkit.commands.preview", "show DIGITS extensions on scores or on a network"),
    "demo": ("fcnkit.commands.demo", "run the whole chain on generated shapes and write a report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `fcnkit COMMAND ...`; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    width = max(map(len, COMMANDS)) + 2
    listing = "\n".join(f"  {name:{width}}{text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="fcnkit",
        description=importlib.import_module("fcnkit").__doc__,
        epilog=f"commands:\n{listing}\n\nfcnkit COMMAND --help lists a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="fcnkit [-h] [--version] COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"fcnkit {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    args = parser.parse_args(argv[:1])
    return run_module(COMMANDS[args.command][0], argv[1:], prog=f"fcnkit {args.command}")


def run_module(
    module: str | ModuleType, argv: Sequence[str] | None = None, prog: str | None = None
) -> int:
    """Run one command's module with `argv`; returns the exit status.

    `module` is a module name or a module. An `InputError` or an error of the operating system is
    printed as one message, and the status is 1; Ctrl-C gives 130.
    """
    try:
        if isinstance(module, str):
            module = importlib.import_module(module)
        parser = argparse.ArgumentParser(prog=prog, description=(module.__doc__ or "").strip())
        module.add_arguments(parser)
        args = parser.parse_args(argv)
        with assuming_fork(getattr(args, "fork", None)), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status: int | None = module.run(args)
            return status or 0
    except InputError as error:
        print(f"error: {error.for_command_line()}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader (head, less) has gone: there is nothing to report and nowhere to write.
        sys.stderr.close()
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning about a user's file as one line, one about code as Python does."""
    if issubclass(category, ForkWarning):
        text = f"warning: {message}\n"
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
    (file or sys.stderr).write(text)
