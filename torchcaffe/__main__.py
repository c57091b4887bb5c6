"""Runs a script written for pycaffe on this engine: `python -m torchcaffe script.py ARGS`."""

import os
import runpy
import sys

from caffeformat import InputError

from .alias import lend_name


def main(argv=None):
    """Run the script `argv[0]` with the rest as its arguments; returns the exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv or argv[0].startswith("-"):
        print("usage: python -m torchcaffe script.py ARGS", file=sys.stderr)
        return 2
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
    sys.exit(main())
