"""The console of commands that train: a bar with the running scores, and a line per test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fcnkit.training import Observer

from .console import Console

if TYPE_CHECKING:
    from fcnkit.inference import ConfusionMatrix
    from fcnkit.training import Outputs


class TrainingConsole(Console, Observer):
    """Shows what `train` reports: steps as a bar, notes and test results above it."""

    def __init__(self, *, tells_story: bool = False) -> None:
        super().__init__(unit="step", tells_story=tells_story)

    def test(self, iteration: int, outputs: Outputs, matrix: ConfusionMatrix | None) -> None:
        parts = [f"{name} {values[0]:.4g}" for name, values, _ in outputs if len(values) == 1]
        if matrix is not None:
            parts += [
                f"pixel accuracy {matrix.pixel_accuracy:.3f}",
                f"mean IoU {matrix.mean_iou:.3f}",
            ]
        self.line(f"iteration {iteration}, validation: {', '.join(parts)}")


class SilentTrainingConsole(Observer):
    """In the place of a console, in a process whose run another one shows."""

    def __enter__(self) -> SilentTrainingConsole:
        return self

    def __exit__(self, *_: object) -> None:
        pass
