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

_VARIABLE = "PYTHONSAFEPATH"

_RUN_MODULE = (
    "import sys\n"
    "if not getattr(sys.flags, 'safe_path', False): del sys.path[0]\n"
    "import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def run_module(module: str) -> list[str]:
    """Arguments of any Python from 3.6 on that run `module` as `-m` does, but import it safely."""
    return ["-c", _RUN_MODULE.format(module=module)]


@contextlib.contextmanager
def importing_safely() -> Iterator[None]:
    """Let processes that `multiprocessing` starts within the block import safely.

    What it starts is `python -c`. Before Python 3.11 the working folder is left meanwhile, so call
    it where no other thread reads files of relative names; `return_to` undoes that in the process.
    """
    before, folder = os.environ.get(_VARIABLE), os.getcwd()
    os.environ[_VARIABLE] = "1"
    if sys.version_info < (3, 11):
        os.chdir(os.path.dirname(os.path.abspath(__file__)))
    try:
        yield
    finally:
        if sys.version_info < (3, 11):
            os.chdir(folder)
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
