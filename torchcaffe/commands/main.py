"""The list of commands, and how one is run."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from caffeformat import InputError
from torchcaffe import log

from .flags import Flag, Flags, describe_flags, parse_flags

# group -> command -> what it does; the module of that name in this package does it
_GROUPS = {
    "nets": {
        "train": "train a net from a solver, from a snapshot or from weights",
        "test": "score weights on a net's test phase",
        "time": "time each layer of a net, forward and backward",
        "extract_features": "write the values of blobs into databases",
        "draw_net": "draw a net as SVG, PNG, PDF or DOT",
    },
    "databases": {
        "convert_imageset": "convert the images of a list into an LMDB or LevelDB",
        "compute_image_mean": "compute the mean image of a database",
    },
    "old files": {
        "upgrade_net_proto_text": "upgrade the prototxt of an old net",
        "upgrade_net_proto_binary": "upgrade an old caffemodel",
        "upgrade_solver_proto_text": "upgrade the prototxt of an old solver",
    },
    "logs and devices": {
        "parse_log": "convert the log of a training run into two tables",
        "device_query": "report the properties of the GPUs",
    },
}
COMMANDS = {name: text for group in _GROUPS.values() for name, text in group.items()}

_LOG = "logging"
_LOG_FLAGS = [
    Flag("log_dir", "", "also write the log to a file in this folder", _LOG),
    Flag("minloglevel", 0, "lowest level to log: 0 all, 1 warnings, 2 errors", _LOG),
    Flag("logtostderr", True, "log to stderr, which is always done", _LOG),
    Flag("alsologtostderr", True, "log to stderr, which is always done", _LOG),
    Flag("help", False, "print this and stop", _LOG),
    Flag("h", False, "print this and stop", _LOG),
]
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


class Command(Protocol):
    """What the module of a command has."""

    __doc__: str | None
    USAGE: str
    FLAGS: list[Flag]

    @staticmethod
    def run(flags: Flags, arguments: list[str]) -> int | None:
        """Run the command; returns its exit status, or None for 0."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `torchcaffe COMMAND ...`; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[0] in ("-h", "-help", "--help"):
        print(_overview(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    name = argv[0]
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        print(f'error: there is no command "{name}".{hint}\n\n{_overview()}', file=sys.stderr)
        return 2
    return run_command(name, argv[1:])


def run_command(name: str, argv: Sequence[str]) -> int:
    """Run command `name` with `argv`; returns the exit status.

    An `InputError` or an error of the operating system becomes one fatal line of the log, and 1.
    """
    module = cast("Command", importlib.import_module(f"{__package__}.{name}"))
    handlers = [log.attach()]
    try:
        flags, arguments = parse_flags(argv, module.FLAGS + _LOG_FLAGS)
        if flags.help or flags.h:
            print(_help(name, module))
            return 0
        handlers += follow_log_flags(name, flags)
        return module.run(flags, arguments) or 0
    except (InputError, OSError) as error:
        log.logger.critical("%s", error)
        return 1
    except KeyboardInterrupt:
        log.logger.error("interrupted")
        return 130
    finally:
        for handler in handlers:
            log.detach(handler)


def follow_log_flags(name: str, flags: Flags) -> list[logging.Handler]:
    """Set up logging by the flags -log_dir and -minloglevel; returns the handlers added."""
    handlers = []
    if flags.log_dir:
        handlers.append(log.attach(os.path.join(flags.log_dir, f"torchcaffe.{name}.log")))
    log.logger.setLevel(_LEVELS[min(max(flags.minloglevel, 0), 3)])
    return handlers


def expect_arguments(
    arguments: Sequence[str], usage: str, fewest: int, most: int | None = None
) -> None:
    """Raise `InputError` with `usage` unless there are `fewest` to `most` arguments."""
    if not fewest <= len(arguments) <= (fewest if most is None else most):
        raise InputError(f"found {len(arguments)} arguments; usage: {usage}")


def _overview() -> str:
    width = max(map(len, COMMANDS)) + 2
    listing = "\n\n".join(
        "\n".join([f"{group}:", *(f"  {name:{width}}{text}" for name, text in commands.items())])
        for group, commands in _GROUPS.items()
    )
    return (
        "usage: torchcaffe COMMAND [FLAGS] [ARGUMENTS]\n"
        "       torchcaffe [-allow_python MODULES] script.py ARGUMENTS\n"
        "           run a script written for pycaffe; Python layers of modules that it neither\n"
        "           defines nor imports need -allow_python\n\n"
        f"{listing}\n\ntorchcaffe COMMAND --help lists the flags of a command."
    )


def _help(name: str, module: Command) -> str:
    return (
        f"usage: torchcaffe {name} {module.USAGE}\n\n{(module.__doc__ or '').strip()}\n\n"
        f"{describe_flags(module.FLAGS + _LOG_FLAGS[:2])}"
    )
