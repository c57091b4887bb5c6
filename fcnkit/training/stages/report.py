"""Results of stages that were trained one after another, as a table and in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .run import StageResult


def format_stages(results: Sequence[StageResult]) -> str:
    """Return the table that the command prints."""
    width = max([len("stage")] + [len(result.name) for result in results])
    titles = ("agreement", "mean IoU at its start", "at its end", "pixel accuracy")
    lines = [f"{'stage':{width}}  {'  '.join(titles)}"]
    for result in results:
        start, end = result.start or {}, result.end or {}
        figures = (
            result.agreement,
            start.get("mean_iou"),
            end.get("mean_iou"),
            end.get("pixel_accuracy"),
        )
        cells = ("-" if figure is None else f"{figure:.4f}" for figure in figures)
        row = "  ".join(f"{cell:>{len(title)}}" for cell, title in zip(cells, titles))
        lines.append(f"{result.name:{width}}  {row}")
    return "\n".join(lines)


def declines(results: Sequence[StageResult]) -> list[str]:
    """Return a sentence for each stage that ended with a lower mean IoU than the previous one.

    Stages of other data than the previous one's are left out: their scores do not compare. A NaN,
    from labels that hold no class, does not count as a decline.
    """
    sentences = []
    for previous, result in zip(results, results[1:]):
        has_other_data = result.start is not None and result.agreement is None
        if has_other_data or not (previous.end and result.end):
            continue
        before, after = previous.end["mean_iou"], result.end["mean_iou"]
        if after < before:
            first = f" (its first masks had {result.start['mean_iou']:.4f})" if result.start else ""
            sentences.append(
                f"{result.name} ended worse than {previous.name}: mean IoU {after:.4f} after "
                f"{before:.4f}{first}; try more iterations or another learning rate"
            )
    return sentences
