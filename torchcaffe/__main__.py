"""The program `torchcaffe`: `torchcaffe COMMAND ...` runs Caffe's commands.

`torchcaffe script.py ARGS` runs a script that says `import caffe` on this engine.
`python -m torchcaffe` is the same program.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from caffeformat import InputError
from torchcaffe import commands
from torchcaffe.alias import lend_name


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command or script `argv[0]` with the remaining arguments; returns the exit status.

    If `argv[0]` is not a command, but the path of a file or a name ending in `.py`, it is a script.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    is_command = not argv or argv[0] in commands.COMMANDS
    if not is_command and (os.path.isfile(argv[0]) or argv[0].endswith(".py")):
        return run_script(argv)
    return commands.main(argv)


def run_script(argv: list[str]) -> int:
    """Run the script `argv[0]` with the remaining arguments; returns the exit status."""
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
    # `-m` looks for modules in the working folder first. That folder may come from elsewhere, and
    # contain a net and modules with the names of those whose layers run without being asked for.
    if sys.path[0] in ("", os.getcwd()):
        sys.path[0] = os.path.dirname(sys.executable)  # as for the command `torchcaffe`
    sys.exit(main())
