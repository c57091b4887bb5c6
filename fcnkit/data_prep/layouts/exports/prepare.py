"""Makes image and label folders from whatever an annotation tool exported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError
from fcnkit.files import output_folder
from fcnkit.progress import Progress

from .catalogue import Catalogue
from .plan import DataOptions, chosen_splits
from .registry import recognise
from .writing import write_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .plan import Item, Path, Plan

_SHOWN = 3


class PreparedData(NamedTuple):
    """What was prepared: `kind`, what the source was taken for; `counts`, pairs of each split;
    `names`, the class names, or None if the source has none."""

    kind: str
    counts: dict[str, int]
    names: list[str] | None


def prepare_data(
    source: Path,
    out: Path,
    options: DataOptions | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> PreparedData:
    """Write `out/{train,val}/{images,labels}`, and `out/classes.txt` if there are class names.

    source      archive or folder, or a JSON file of annotations
    options     what the source cannot say itself
    force       whether entries of the same names in `out` are replaced

    `progress` receives notes on what the source was taken for, on its first pairs and on what is
    left out. Raises `InputError` if the source is in no known layout, is damaged, or leaves open
    what belongs together, and if `out` is not empty.
    """
    options, progress = options or DataOptions(), progress or Progress()
    check_options(options)
    with output_folder(out, force, [source, options.images]) as folder:
        progress.note(f"Looking at {os.fspath(source)}")
        catalogue = Catalogue(source, options.images)
        plan = recognise(catalogue, options)
        splits = chosen_splits(plan, options, catalogue.source)
        for line in described(plan, splits):
            progress.note(line)
        progress.note(f"Copying data into {os.fspath(out)}")
        write_plan(catalogue, plan, splits, folder, progress)
    progress.done("Done!")
    return PreparedData(plan.kind, counted(splits), plan.names)


def counted(splits: Mapping[str, Sequence[Item]]) -> dict[str, int]:
    """The number of items of each split."""
    return {split: len(items) for split, items in splits.items()}


def check_options(options: DataOptions) -> None:
    """Raise `InputError` for options that no source can be read with."""
    if options.val_percent is not None and not 0 <= options.val_percent < 100:
        raise InputError(
            "{option}: expected 0 to 99", option="val_percent", value=options.val_percent
        )
    if options.sets is not None and not 1 <= len(options.sets) <= 2:
        raise InputError(
            "{option}: expected one set, or two for train and val",
            option="sets",
            value=list(options.sets),
        )
    if options.overlap not in (None, "ignore", "later"):
        raise InputError(f"overlap {options.overlap!r}: expected ignore or later", option="overlap")


def described(plan: Plan, splits: dict[str, list[Item]]) -> list[str]:
    """What a source was taken for, line by line."""
    lines = [f"Taken for {plan.kind}"]
    if plan.labels:
        lines.append(f"labels: {plan.labels}")
    if plan.names is None:
        lines.append("classes: names are unknown; pass them to create_lmdb")
    else:
        lines.append(f"classes ({len(plan.names)}): {', '.join(plan.names)}")
    lines += [f"{split}: {len(items)} pairs" for split, items in splits.items()]
    for item in next(iter(splits.values()))[:_SHOWN]:
        label = item.image.name + " itself" if item.label is None else item.label.name
        if item.draw is not None:
            label = "its objects"
        lines.append(f"    {item.image.name} with {label}")
    return lines + plan.notes
