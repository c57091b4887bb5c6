"""Who is told what a training run does while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.progress import Progress

if TYPE_CHECKING:
    from fcnkit.inference import ConfusionMatrix

    from .log import Outputs


class Observer(Progress):
    """Receives what `train` reports while it runs. A subclass shows it; this one is silent.

    `step` gets the iterations done and to do, the name of the output folder, and the running
    `loss`, `accuracy` and `mean_iou` (these two where the net scores classes).
    """

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        """Report a test: mean outputs as (name, values, loss weight), and scores if there are."""
