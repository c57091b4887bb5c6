"""Progress: how long work reports where it is.

Library functions that take long accept a `progress`; they call it and know nothing of terminals.
`Progress` itself keeps silent. The commands pass a console that shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    def done(self, text: str = "") -> None:
        """Report the end of the work, or of a part, with a closing line if any."""
