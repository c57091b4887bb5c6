"""Caffe's commands: `torchcaffe COMMAND ...` takes the flags of Caffe's tool of that name.

A command is a module with a one-line docstring, `USAGE` (its arguments that are no flags), `FLAGS`
and `run(flags, arguments)`, which returns an exit status or None. What it says goes through
`torchcaffe.log` to stderr, in the lines that Caffe's tools write.
"""

import difflib
import importlib
import logging
import os
import sys

from caffeformat import InputError

from .. import log
from .flags import Flag, describe_flags, parse_flags

# command -> what it does; the module of that name in this package does it
COMMANDS = {
    "train": "train a net from a solver, from a snapshot, or from weights",
    "test": "score weights on a net's test phase",
    "time": "time each layer of a net, forward and backward",
    "device_query": "say what is known of the GPUs",
    "convert_imageset": "turn the images of a list into an LMDB or LevelDB",
    "compute_image_mean": "compute the mean image of a database",
    "extract_features": "write what blobs hold into databases",
    "upgrade_net_proto_text": "upgrade the prototxt of an old net",
    "upgrade_net_proto_binary": "upgrade an old caffemodel",
    "upgrade_solver_proto_text": "upgrade the prototxt of an old solver",
    "parse_log": "turn a training's log into two tables",
    "draw_net": "draw a net as SVG, PNG, PDF or DOT",
}

_LOG_FLAGS = [
    Flag("log_dir", "", "write the log into a file in this folder, too"),
    Flag("minloglevel", 0, "the least that is logged: 0 all, 1 warnings, 2 errors"),
    Flag("logtostderr", True, "log to stderr, which is always done"),
    Flag("alsologtostderr", True, "log to stderr, which is always done"),
    Flag("help", False, "print this and stop"),
    Flag("h", False, "print this and stop"),
]
_LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)


def main(argv=None):
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


def run_command(name, argv):
    """Run command `name` with `argv`; returns the exit status.

    An `InputError` or an error of the operating system becomes one fatal line of the log, and 1.
    """
    module = importlib.import_module(f"{__name__}.{name}")
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


def follow_log_flags(name, flags):
    """Log as `-log_dir` and `-minloglevel` of command `name` say; returns the handlers added."""
    handlers = []
    if flags.log_dir:
        handlers.append(log.attach(os.path.join(flags.log_dir, f"torchcaffe.{name}.log")))
    log.logger.setLevel(_LEVELS[min(max(flags.minloglevel, 0), 3)])
    return handlers


def expect_arguments(arguments, usage, fewest, most=None):
    """Raise `InputError` with `usage` unless there are `fewest` to `most` arguments."""
    if not fewest <= len(arguments) <= (fewest if most is None else most):
        raise InputError(f"found {len(arguments)} arguments; usage: {usage}")


def _overview():
    width = max(map(len, COMMANDS)) + 2
    listing = "\n".join(f"  {name:{width}}{text}" for name, text in COMMANDS.items())
    return (
        "usage: torchcaffe COMMAND [FLAGS] [ARGUMENTS]\n"
        "       torchcaffe script.py ARGUMENTS   run a script written for pycaffe\n\n"
        f"commands:\n{listing}\n\ntorchcaffe COMMAND --help tells a command's flags."
    )


def _help(name, module):
    return (
        f"usage: torchcaffe {name} {module.USAGE}\n\n{module.__doc__.strip()}\n\n"
        f"flags:\n{describe_flags(module.FLAGS + _LOG_FLAGS[:2])}"
    )
