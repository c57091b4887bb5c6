"""Jobs: `fcnkit` commands that run in processes of their own, each with a folder that says it all.

`<jobs>/<id>/` holds `job.json` (what was asked for), `state.json` (how far it is), `log.txt` and
whatever the commands write. A supervisor process runs a job's commands one after the other and
records how they end, so that whoever started it may be stopped or killed meanwhile. `Jobs` is a
folder of jobs; a `Line` starts those that wait, one per lane at a time, and finds running ones
again. Nothing here knows what the commands do.
"""

from __future__ import annotations

from .line import Line
from .processes import Running, python_command, signal_process
from .records import ACTIVE, Evidence, Job, State, Step, seconds_of, tail
from .store import Jobs

__all__ = [
    "ACTIVE",
    "Evidence",
    "Job",
    "Jobs",
    "Line",
    "Running",
    "State",
    "Step",
    "python_command",
    "seconds_of",
    "signal_process",
    "tail",
]
