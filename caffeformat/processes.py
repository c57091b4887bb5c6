"""Starts Python without what lies in the working folder.

`python -m` and `python -c` look for modules in the working folder first, which may come from
elsewhere and hold a `numpy.py`. Python 3.11 can be told not to; for older ones the first entry of
the path is removed before anything is imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAFE, _PATH = "PYTHONSAFEPATH", "PYTHONPATH"

_RUN_MODULE = (
    "import sys\n"
    "if not getattr(sys.flags, 'safe_path', False): del sys.path[0]\n"
    "import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def run_module(module: str) -> list[str]:
    """Arguments with which any Python 3 runs `module` as `-m` does, but imports it safely."""
    return ["-c", _RUN_MODULE.format(module=module)]


def safe_path_variable() -> str:
    """PYTHONPATH for a process to be started: without empty parts, which mean its folder."""
    return os.pathsep.join(filter(None, os.environ.get(_PATH, "").split(os.pathsep)))


@contextlib.contextmanager
def importing_safely() -> Iterator[None]:
    """Let processes that `multiprocessing` starts within the block import safely.

    What it starts is `python -c`. Before Python 3.11 the working folder is left meanwhile; so begin
    them where no other thread opens files, and let them return to it.
    """
    variables = {_SAFE: "1", _PATH: safe_path_variable()}
    before = {name: os.environ.get(name) for name in variables}
    folder = os.getcwd() if sys.version_info < (3, 11) else ""
    os.environ.update(variables)
    if folder:
        os.chdir(os.path.dirname(os.path.abspath(__file__)))
    try:
        yield
    finally:
        if folder:
            os.chdir(folder)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def forget_working_folder() -> None:
    """Remove from the path the working folder, which `python -m` has put first.

    What was imported from there until now cannot be undone.
    """
    if getattr(sys.flags, "safe_path", False) or not sys.path:
        return
    chosen = safe_path_variable().split(os.pathsep)
    if sys.path[0] in ("", os.getcwd()) and sys.path[0] not in chosen:
        del sys.path[0]
