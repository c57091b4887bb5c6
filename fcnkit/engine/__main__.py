"""Runs jobs on the chosen engine: `python -m fcnkit.engine JOBS.json`, see `runs`."""

from __future__ import annotations

import sys

from caffeformat.processes import forget_working_folder

from .runs import main

if __name__ == "__main__":
    # The working folder, which `-m` puts first, may hold modules that came with a net and have the
    # names of those whose layers may always run.
    forget_working_folder()
    sys.exit(main())
