"""Progress: how long work reports where it is.

Library functions that take long accept a `progress`; they call it and know nothing of terminals.
`Progress` itself keeps silent. The commands pass a console that shows it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping


class Step(NamedTuple):
    """What `Progress.step` was told."""

    done: int
    total: int | None
    what: str
    figures: Mapping[str, float]


class Progress:
    """Receives notes and steps of one piece of work. A subclass shows them; this one is silent."""

    def note(self, text: str) -> None:
        """Report something worth knowing: what was changed, skipped or looks suspicious."""

    def step(
        self,
        done: int,
        total: int | None = None,
        what: str = "",
        figures: Mapping[str, float] | None = None,
    ) -> None:
        """Report that `done` of `total` items are finished (`total` is None where unknown).

        `what` names the current part (for instance a split), `figures` holds running values to
        show beside it, such as the loss or the mean IoU. A new `what` starts a new count.
        """
        self.show(Step(done, total, what, figures or {}))

    def show(self, step: Step) -> None:
        """Show a step; what subclasses replace."""

    def done(self, text: str = "") -> None:
        """Report the end of the work, or of a part, with a closing line if any."""


class ProgressFile(Progress):
    """Keeps the newest step in a small JSON file, for those who cannot see a terminal.

    `done`, `total`, `what` and `figures` are those of `Progress.step`; `left` is an estimate of the
    seconds until `total`, null where there is none yet. Written at most once a second.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._what: str | None = None
        self._first, self._began, self._written = 0, 0.0, float("-inf")

    @staticmethod
    def asked_for() -> ProgressFile | None:
        """Return the file that the environment's FCNKIT_PROGRESS names, None where none is."""
        path = os.environ.get("FCNKIT_PROGRESS")
        return ProgressFile(path) if path else None

    def show(self, step: Step) -> None:
        """Write the step, unless the last one was written just now."""
        done, total, what, figures = step
        now = time.monotonic()
        if what != self._what:
            self._what, self._first, self._began = what, done, now
        if now - self._written < 1 and done != total:
            return
        self._written, ahead = now, done - self._first
        left = None
        if total is not None and ahead > 0:
            left = round((now - self._began) / ahead * (total - done), 1)
        shown = {
            key: value if abs(value) < float("inf") else None for key, value in figures.items()
        }
        text = json.dumps(
            {"done": done, "total": total, "what": what, "figures": shown, "left": left}
        )
        # The work itself goes on without its report.
        with contextlib.suppress(InputError), atomic_write(self._path, "w") as file:
            file.write(text + "\n")
