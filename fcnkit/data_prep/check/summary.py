"""Summarizes a dataset and its problems from a record of each entry."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fcnkit.datasets import describe_form, median_frequency_weights
from fcnkit.images import ADE20K_ADVICE, IGNORE_LABEL

from ..findings import ADVICE, find, is_black_and_white

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fcnkit.images import ImageForm


class Record(NamedTuple):
    """What was found of an image and its label. What is unknown is None."""

    id: str
    size: tuple[int, int] | None  # of the image: width, height
    label_kind: str | None
    counts: NDArray[np.int64] | None  # pixels of each of the label's 256 indices
    problems: list[tuple[str, str]]  # (a key of `PROBLEMS`, detail)
    doubtful: int | None = None  # pixels that lossy compression may have changed; None: lossless
    turned: bool = False  # whether the image is shown turned, by its EXIF orientation
    form: ImageForm | None = None  # of the image: channels and depth


# What can be wrong, and what to do about it.
PROBLEMS = {
    "unreadable": "replace or remove them",
    "image without label": "label or remove them",
    "label without image": "remove them or add their images",
    "sizes differ": "labels have to be as large as their images",
    "unfit": "these images are not what was requested",
    "channels differ": "images of a net have the same number of channels: make the dataset in one",
    "depths differ": "values of 8 bits, 16 bits and floats do not mean the same: use one kind",
    "colours for classes": "specify which class each colour is with a colour map",
    "the whole ADE20K": ADE20K_ADVICE,
    "palette in database": "Caffe takes paletted labels for colours: make the database anew",
    "past the classes": "correct the labels or the list of class names",
    **ADVICE,
    "another palette": "colours differ from the first label's: check that indices mean the same",
}


class Summary:
    """Sums over `Record`s, of a database if they `are_stored`.

    `entries` counts them, `problems` has the details of each problem.
    """

    def __init__(self, names: Sequence[str] | None = None, are_stored: bool = False) -> None:
        self.names, self.are_stored = names or (), are_stored
        self.entries = self.images = self.turned = 0
        self.sizes: collections.Counter[tuple[int, int]] = collections.Counter()
        self.forms: dict[ImageForm, list[str]] = {}
        self.label_kinds: collections.Counter[str] = collections.Counter()
        self.problems: dict[str, list[str]] = {}
        # Per index: its pixels, the labelled pixels of the labels that contain it, these labels.
        self._pixels: NDArray[np.int64] = np.zeros(256, np.int64)
        self._present: NDArray[np.int64] = np.zeros(256, np.int64)
        self._labels: NDArray[np.int64] = np.zeros(256, np.int64)
        self._black_and_white = self._lossy = self._doubtful = 0

    def add(self, record: Record) -> None:
        """Add one record."""
        self.entries += 1
        if record.size is not None:
            self.images += 1
            self.sizes[record.size] += 1
        if record.form is not None:
            self.forms.setdefault(record.form, []).append(record.id)
        if record.label_kind is not None:
            self.label_kinds[record.label_kind] += 1
        if record.counts is not None:
            there = record.counts > 0
            self._pixels += record.counts
            self._present += there * record.counts[:IGNORE_LABEL].sum()
            self._labels += there
            self._black_and_white += is_black_and_white(record.counts)
        if record.doubtful is not None:
            self._lossy += 1
            self._doubtful += record.doubtful
        self.turned += record.turned
        for problem, detail in record.problems:
            self.problems.setdefault(problem, []).append(detail)

    def _mixed(self) -> dict[str, list[str]]:
        """The images that are not of the most frequent number of channels, or depth."""
        found: dict[str, list[str]] = {}
        if not self.forms:
            return found
        usual = max(self.forms, key=lambda form: len(self.forms[form]))
        for form, ids in self.forms.items():
            what = f"{describe_form(form)}, most have {describe_form(usual)}"
            if form.depth != usual.depth:
                found.setdefault("depths differ", []).extend(f"{id_}: {what}" for id_ in ids)
            # Files of grey images among colour ones are read as colour.
            is_converted = not self.are_stored and {form.channels, usual.channels} == {1, 3}
            if form.channels != usual.channels and not is_converted:
                found.setdefault("channels differ", []).extend(f"{id_}: {what}" for id_ in ids)
        return found

    def as_dict(self) -> dict[str, Any]:
        """The whole summary as plain data, for JSON."""
        labelled = int(self._pixels[:IGNORE_LABEL].sum())
        highest = int(np.flatnonzero(self._pixels[:IGNORE_LABEL]).max(initial=-1))
        number = max(highest + 1, len(self.names))
        weights = median_frequency_weights(
            self._pixels[:number].tolist(), self._present[:number].tolist()
        )
        classes = [
            {
                "index": i,
                "name": self.names[i] if i < len(self.names) else f"class {i}",
                "pixels": int(self._pixels[i]),
                "share": self._pixels[i] / labelled if labelled else 0.0,
                "labels": int(self._labels[i]),
                "weight": weights[i],
            }
            for i in range(number)
        ]
        every = int(self._pixels.sum())
        sizes = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        labels = sum(self.label_kinds.values())
        found = find(
            self._pixels, labels, self._black_and_white, self.names, self._lossy, self._doubtful
        )
        problems = {**self.problems, **{name: [detail] for name, detail in found.items()}}
        if "unfit" not in problems:
            problems.update(self._mixed())
        return {
            "images": self.images,
            "turned": self.turned,
            "image_kinds": {
                describe_form(form): len(ids)
                for form, ids in sorted(self.forms.items(), key=lambda item: -len(item[1]))
            },
            "labels": labels,
            "label_kinds": dict(sorted(self.label_kinds.items())),
            "sizes": {f"{width}x{height}": count for (width, height), count in sizes},
            "classes": classes,
            "ignored_share": self._pixels[IGNORE_LABEL] / every if every else 0.0,
            "problems": {name: problems[name] for name in PROBLEMS if name in problems},
        }


def format_summary(title: str, facts: Mapping[str, Any], details: int = 3) -> str:
    """Format `Summary.as_dict()` as a table, with a few details of each problem."""
    sizes = list(facts["sizes"].items())
    lines = [f"{title}: {facts['images']} images, {facts['labels']} labels"]
    if sizes:
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        lines.append("sizes: " + ", ".join(f"{size} ({n})" for size, n in sizes[:3]) + more)
    if facts["turned"]:
        lines.append(f"shown turned, as their EXIF orientation says: {facts['turned']} images")
    if set(facts["image_kinds"]) - {"3 channels of uint8"}:
        found = ", ".join(f"{kind} ({n})" for kind, n in facts["image_kinds"].items())
        lines.append(f"images: {found}")
    kinds = facts["label_kinds"].items()
    lines.append("labels: " + (", ".join(f"{kind} ({n})" for kind, n in kinds) or "none"))
    if facts["classes"]:
        width = max([len(row["name"]) for row in facts["classes"]] + [len("class")])
        head = f"{'':>3} {'class':{width}} {'pixels':>13} {'share':>7} {'labels':>7} {'weight':>8}"
        lines.append(head)
        for row in facts["classes"]:
            weight = "-" if row["weight"] is None else f"{row['weight']:.4f}"
            lines.append(
                f"{row['index']:>3} {row['name']:{width}} {row['pixels']:>13,} "
                f"{row['share']:>7.2%} {row['labels']:>7} {weight:>8}"
            )
        lines.append(f"ignored: {facts['ignored_share']:.2%} of all pixels")
    for problem, found in facts["problems"].items():
        lines.append(f"! {problem} ({len(found)}): {PROBLEMS[problem]}")
        lines += [f"    {detail}" for detail in found[:details]]
        if len(found) > details:
            lines.append(f"    and {len(found) - details} more")
    if not facts["problems"]:
        lines.append("no problems found")
    return "\n".join(lines)
