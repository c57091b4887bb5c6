"""`torchcaffe COMMAND ...`: Caffe's commands; `torchcaffe script.py ARGS`: a pycaffe script.

A script says `import caffe` and runs on this engine. `python -m torchcaffe` is the same.
"""

import os
import runpy
import sys

from caffeformat import InputError

from . import commands
from .alias import lend_name


def main(argv=None):
    """Run the command, or the script, `argv[0]` with the rest as its arguments; returns a status.

    What is no command but the path of a file, or ends in `.py`, is a script.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    is_command = not argv or argv[0] in commands.COMMANDS
    if not is_command and (os.path.isfile(argv[0]) or argv[0].endswith(".py")):
        return run_script(argv)
    return commands.main(argv)


def run_script(argv):
    """Run the script `argv[0]` with the rest as its arguments; returns the exit status."""
    if not os.path.exists(argv[0]):
        print(f"error: {argv[0]}: no such script", file=sys.stderr)
        return 1
    lend_name()
    sys.argv = argv
    sys.path[0] = os.path.dirname(os.path.abspath(argv[0]))
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # `-m` looks for modules in the working folder first. That may have come from elsewhere, with a
    # net and modules that are called like those whose layers run unasked.
    if sys.path[0] in ("", os.getcwd()):
        sys.path[0] = os.path.dirname(sys.executable)  # where the command `torchcaffe` has it
    sys.exit(main())
