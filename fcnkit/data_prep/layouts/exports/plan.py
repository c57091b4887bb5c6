"""What a layout says of a source: its pairs by set, its class names, and how labels are read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError

from ...lmdb.dataset import VAL_PERCENT, split_pairs
from .pairing import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Union

    import numpy as np
    from numpy.typing import NDArray

    from .catalogue import File

    Path = Union[str, os.PathLike[str]]


@dataclass(frozen=True)
class DataOptions:
    """What a source cannot say itself.

    layout          one of `LAYOUTS`; None: whatever the source looks like
    images          archive or folder of the images, if they lie apart from the labels
    sets            sets for train and val; None: what is called so
    val_percent     share of images drawn for validation, where one set is to be split
    seed            of that draw
    classes         class names, in the order of their indices
    colours         N x 3 uint8, the colours of labels (see `read_label`)
    label_folder    folder of the labels, where a source has several
    overlap         pixels that two objects claim: `ignore` makes them 255, `later` gives them to
                    the later one; None: as the tool that wrote the file does
    empty           whether images without any object are pairs of background
    page            page of labels in files of several pages, from 1
    """

    layout: str | None = None
    images: Path | None = None
    sets: Sequence[str] | None = None
    val_percent: int | None = None
    seed: int = 1
    classes: Sequence[str] | None = None
    colours: NDArray[np.uint8] | None = None
    label_folder: str | None = None
    overlap: str | None = None
    empty: bool = False
    page: int | None = None


class Item(NamedTuple):
    """An image and where its label comes from: a file, or objects that are drawn."""

    id: str  # path below `images` and `labels`, without suffix
    image: File
    label: File | None = None
    # Draws the label as H x W uint8 class indices; called with (height, width) of the shown image
    draw: Callable[[tuple[int, int]], NDArray[np.uint8]] | None = None
    # Takes the image out of the content of `image`
    unpack: Callable[[bytes], bytes] | None = None


class Decoder(NamedTuple):
    """Reads label files. Called with a file's content, and the name that errors call it."""

    read: Callable[[bytes, str], NDArray[np.uint8]]
    by_index: bool = False  # whether paletted labels give their indices, whatever their colours

    def __call__(self, data: bytes, name: str) -> NDArray[np.uint8]:
        return self.read(data, name)


@dataclass
class Plan:
    """What a source was taken for.

    kind    what it is, in words
    sets    name of the set -> its items; the set "" is a source that is not split
    names   class names, None if unknown
    decode  reads label files, where labels are files
    labels  how labels are read, in words
    notes   what else is worth knowing, such as what is left out
    problems    name of the set -> why it cannot be used
    remarks     what is worth knowing once all is written
    """

    kind: str
    sets: dict[str, list[Item]]
    names: list[str] | None
    decode: Decoder | None = None
    labels: str = ""
    notes: list[str] = field(default_factory=list)
    problems: dict[str, InputError] = field(default_factory=dict)
    remarks: Callable[[], list[str]] | None = None

    def label_files(self) -> list[File]:
        """The label files of all sets."""
        every = (item.label for items in self.sets.values() for item in items)
        return list(dict.fromkeys(file for file in every if file is not None))

    def items_of(self, name: str, source: str) -> list[Item]:
        """The items of the set `name`. Raises `InputError` if it cannot be used or is not there."""
        if name in self.problems:
            raise self.problems[name]
        if not self.sets.get(name):
            there = {key: items for key, items in self.sets.items() if items}
            empty = " (it is empty)" if name in self.sets else ""
            raise InputError(
                f"{source}: there is no set {name!r}{empty}, it has {_listed(there)}: choose with "
                "{option}",
                option="sets",
            )
        return self.sets[name]


def chosen_splits(plan: Plan, options: DataOptions, source: str) -> dict[str, list[Item]]:
    """The items of `train` and `val`, as the source or the options split them.

    Notes in `plan` which sets are left out. Raises `InputError` where the split cannot be told, and
    for a split that comes out empty.
    """
    sets = {n: items for n, items in plan.sets.items() if items or n in plan.problems}
    if not sets:
        raise InputError(
            f"{source}: taken for {plan.kind}, in which no image has a label: see whether the "
            "export holds masks or polygons; images that show background alone are taken with "
            "{option}",
            option="empty",
            value=True,
        )
    wanted = _wanted_sets(plan, sets, options, source)
    unused = [name for name in sets if name not in wanted and sets[name]]
    if unused:
        left = ", ".join(f"{name} ({len(sets[name])} pairs)" for name in unused)
        plan.notes.append(f"sets left out: {left}")
    if len(wanted) == 2:
        train, val = (plan.items_of(name, source) for name in wanted)
        images = {item.image for item in train}
        both = [item.id for item in val if item.image in images]
        if both:
            plan.notes.append(
                f"{len(both)} images are in {wanted[0]} and in {wanted[1]}, such as {both[0]}: "
                "scores on images that a net has seen in training are too good"
            )
        return {"train": train, "val": val}
    items = plan.items_of(wanted[0], source)
    percent = VAL_PERCENT if options.val_percent is None else options.val_percent
    if not percent:
        return {"train": items}
    train, val = split_pairs(items, percent, options.seed)
    if not val:
        needed = -(-100 // len(items))
        value = needed if needed < 100 else 0
        more = " or more, or 0 to keep all for training" if value else ""
        raise InputError(
            f"{source}: {percent}% of {len(items)} images is none, so that validation would be "
            f"empty: pass {{option}}{more}",
            option="val_percent",
            value=value,
        )
    plan.notes.append(f"{len(val)} of {len(items)} pairs drawn for validation ({percent}%)")
    return {"train": train, "val": val}


def _wanted_sets(
    plan: Plan, sets: dict[str, list[Item]], options: DataOptions, source: str
) -> list[str]:
    """One set to split, or two for train and val."""
    if options.sets is not None:
        wanted = list(options.sets)
        if len(wanted) == 2 and options.val_percent is not None:
            raise InputError(
                f"the set {wanted[1]!r} is for validation already: pass one set, or no {{option}}",
                option="val_percent",
            )
        if len(wanted) == 1 and options.val_percent is None:
            raise InputError(
                f"one set, {wanted[0]!r}: pass {{option}}, the share to draw for validation (0 "
                "for none)",
                option="val_percent",
                value=VAL_PERCENT,
            )
        return wanted
    roles = {SPLITS.get(name.lower()): name for name in reversed(list(sets))}
    if "train" in roles and "val" in roles:
        if options.val_percent is not None:
            raise InputError(
                f"{source}: has a set {roles['val']!r} for validation: choose one set with "
                "{sets} to split it, or pass no {val_percent}",
                options={"sets": [roles["train"]], "val_percent": None},
            )
        return [roles["train"], roles["val"]]
    if list(sets) == [""]:
        return [""]
    if len(sets) == 1 and options.val_percent is not None:
        return list(sets)
    raise _unclear(sets, plan, source)


# What a set is named for, in the order in which two of them are for train and val
_PLACES = {"train": 0, "test": 2, "val": 3}


def _unclear(sets: dict[str, list[Item]], plan: Plan, source: str) -> InputError:
    first = next(iter(sets))
    empty = [name for name in plan.sets if name not in sets and SPLITS.get(name) == "val"]
    if len(sets) == 1:
        but = f" (`{empty[0]}` is empty)" if empty else ""
        return InputError(
            f"{source}: has the set `{first}`, not train and val{but}: pass {{sets}} "
            "{val_percent} to split it",
            options={"sets": [first], "val_percent": VAL_PERCENT},
        )
    # The first is for training: never a set called after a test, where there is another.
    two = sorted(filter(None, sets), key=lambda name: _PLACES.get(SPLITS.get(name.lower(), ""), 1))
    two = [*two[:1], *two[1:][-1:]]
    return InputError(
        f"{source}: has {_listed(sets)}, not train and val: pass two of them, such as {{sets}}, "
        "or one to split and {val_percent}",
        options={"sets": two, "val_percent": VAL_PERCENT},
    )


def _listed(sets: dict[str, list[Item]]) -> str:
    words = (f"`{name}`" if name else "no sets" for name in sets)
    return ", ".join(f"{word} ({len(sets[name])} pairs)" for word, name in zip(words, sets))
