"""Processes that tests start, which import nothing from the folder they run in."""

import signal
import subprocess
import sys

from caffeformat.processes import run_module

_CODE = "import sys\nif not getattr(sys.flags, 'safe_path', False): del sys.path[0]\n"


def module(name, *arguments):
    """The command that runs a module as `python -m` does."""
    return [sys.executable, *run_module(name), *map(str, arguments)]


def code(text, *arguments):
    """The command that runs Python code."""
    return [sys.executable, "-c", _CODE + text, *map(str, arguments)]


def run_killed(text, *arguments, **settings):
    """Run Python code that kills itself, by `os.kill(os.getpid(), 9)` or the like."""
    done = subprocess.run(code(text, *arguments), check=False, **settings)
    assert done.returncode == -signal.SIGKILL
