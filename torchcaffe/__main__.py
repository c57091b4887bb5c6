"""The program `torchcaffe`: `torchcaffe COMMAND ...` runs Caffe's commands.

`torchcaffe [-allow_python MODULES] script.py ARGS` runs a script that says `import caffe` on this
engine. `python -m torchcaffe` is the same program, but Python itself looks for it, and for what it
imports, in the working folder first: there, use `torchcaffe`, or `python -P -m torchcaffe`.
"""

from __future__ import annotations

import ast
import os
import re
import runpy
import sys
import tokenize
from collections.abc import Sequence

from caffeformat import InputError, printable
from caffeformat.files import is_stream
from caffeformat.processes import forget_working_folder
from torchcaffe import commands
from torchcaffe.alias import lend_name
from torchcaffe.commands.engine_flags import ALLOW_PYTHON, allow_python

# Statements and literals that Python 3 rejects
_PYTHON_2 = re.compile(
    r"\bprint\s+[^(=\s]|\bprint\s*$|\bprint\s*\(.*\)\s*%|\bprint\s*>>|\bexec\s+[^(=\s]"
    r"|\bexcept\b[^:]*,|\braise\s+\w+\s*,|<>|`|\b0[0-7]+\b|\b(?:0[xX])?\d+[lL]\b|\bur['\"]"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command or script `argv[0]` with the remaining arguments; returns the exit status.

    If `argv[0]` is not a command, but the path of a file or a name ending in `.py`, it is a script.
    Before it, `-allow_python a,b` names modules whose Python layers may run.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    try:
        argv = _allow_python(argv)
    except InputError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 1
    is_command = not argv or argv[0] in commands.COMMANDS
    if not is_command and (os.path.isfile(argv[0]) or argv[0].endswith(".py")):
        return run_script(argv)
    return commands.main(argv)


def _allow_python(argv: list[str]) -> list[str]:
    """Follow the flag -allow_python at the start of `argv`; returns the arguments after it."""
    while argv and argv[0].lstrip("-").partition("=")[0] == "allow_python" and argv[0][0] == "-":
        _, equals, modules = argv[0].partition("=")
        if not equals and len(argv) > 1:
            modules, argv = argv[1], argv[1:]
        if not modules:
            raise InputError(f"{argv[0]} needs a value: {ALLOW_PYTHON.text}.")
        allow_python(modules)
        argv = argv[1:]
    return argv


def run_script(argv: list[str]) -> int:
    """Run the script `argv[0]` with the remaining arguments; returns the exit status."""
    if not os.path.exists(argv[0]) or is_stream(argv[0]):
        print(f"error: {argv[0]}: no such script", file=sys.stderr)
        return 1
    python2 = _python2_line(argv[0])
    if python2:
        print(
            f"error: {argv[0]}:{python2}: a Python 2 script, and this is Python "
            f"{sys.version_info.major}.{sys.version_info.minor}; convert it with 2to3 -w "
            f"{argv[0]} (up to Python 3.12, or pip install fissix and fissix -w {argv[0]})",
            file=sys.stderr,
        )
        return 1
    lend_name()
    _import_from(os.path.dirname(os.path.realpath(argv[0])))
    sys.argv = argv
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except InputError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 1
    return 0


def _import_from(folder: str) -> None:
    """Put `folder`, a script's, where Python has put the folder of this program."""
    if getattr(sys.flags, "safe_path", False):
        return
    if sys.path and sys.path[0] in ("", os.path.dirname(os.path.realpath(sys.argv[0]))):
        del sys.path[0]
    sys.path.insert(0, folder)


def _python2_line(path: str) -> int:
    """The line of `path` that only Python 2 accepts, 0 if there is none."""
    try:
        with tokenize.open(path) as file:
            source = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return 0  # Python reports it
    try:
        ast.parse(source)
    except SyntaxError as error:
        line = (source.splitlines() or [""])[max(0, (error.lineno or 1) - 1) :][:1]
        is_old = isinstance(error, TabError) or any(map(_PYTHON_2.search, line))
        return (error.lineno or 1) if is_old else 0
    except ValueError:
        return 0
    return 0


if __name__ == "__main__":
    # `-m` looks for modules in the working folder first. That folder may come from elsewhere, and
    # contain a net and modules with the names of those whose layers run without being asked for.
    forget_working_folder()
    sys.exit(main())
