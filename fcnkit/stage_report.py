"""What came of stages that were trained one after the other, in words and as a table."""


def format_stages(results):
    """The table of `StageResult`s that the command prints."""
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


def declines(results):
    """A sentence for each of the `StageResult`s that ended with less mean IoU than the one before.

    A NaN, of labels that hold no class, is no decline.
    """
    sentences = []
    for former, result in zip(results, results[1:]):
        if not (former.end and result.end):
            continue
        before, after = former.end["mean_iou"], result.end["mean_iou"]
        if after < before:
            sentences.append(
                f"{result.name} ended worse than {former.name}: mean IoU {after:.4f} after "
                f"{before:.4f} (its first masks had {result.start['mean_iou']:.4f}); try more "
                "steps or another learning rate (--iterations, --base-lr)"
            )
    return sentences
