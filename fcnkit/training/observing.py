"""Who is told what a training run does while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.progress import Progress, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from fcnkit.inference import ConfusionMatrix

    from .log import Outputs


class Observer(Progress):
    """Receives what `train` reports while it runs. A subclass shows it; this one is silent.

    `step` gets the iterations done and to do, the name of the output folder, and the running
    `loss`, `accuracy` and `mean_iou` (these two where the net scores classes).

    Attribute: `replaces`, whether an earlier run comes back if this one ends before `begun`.
    """

    replaces = False

    def begun(self) -> None:
        """Report that the run has taken its first step, with a loss that is a number."""

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        """Report a test: mean outputs as (name, values, loss weight), and scores if there are."""


class Beginning(Observer):
    """Passes all on to `observer`, and calls `begin` when the run has taken its first step.

    `replaces`: until then an earlier run is set aside.
    """

    def __init__(self, observer: Observer, begin: Callable[[], None], replaces: bool) -> None:
        self._observer, self._begin, self.replaces = observer, begin, replaces

    def begin(self) -> None:
        """Call `begin` for a run that has succeeded, perhaps without a step."""
        self.replaces = False
        self._begin()

    def begun(self) -> None:
        self.begin()
        self._observer.begun()

    def note(self, text: str) -> None:
        self._observer.note(text)

    def show(self, step: Step) -> None:
        self._observer.show(step)

    def done(self, text: str = "") -> None:
        self._observer.done(text)

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        self._observer.test(iteration, outputs, matrix)
