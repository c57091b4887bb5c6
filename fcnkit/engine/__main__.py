"""Runs jobs on the chosen engine: `python -m fcnkit.engine JOBS.json`, see `runs`."""

from __future__ import annotations

import os
import sys

from .runs import main

if __name__ == "__main__":
    # The working folder, which `-m` puts first, may hold modules that came with a net and have the
    # names of those whose layers may always run.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    sys.exit(main())
