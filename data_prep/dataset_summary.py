"""What is in a dataset and what is wrong with it, summed up from a record of each entry."""

import collections

import numpy as np

from fcnkit.class_weights import median_frequency_weights
from fcnkit.palette import IGNORE_LABEL

# What was found of an image and its label: size of the image (width, height), kind of label, its
# pixels of each index (256 integers), list of (problem, detail). What is not known is None.
Record = collections.namedtuple("Record", "id size label_kind counts problems")

# What can be wrong, and what it means.
PROBLEMS = {
    "unreadable": "replace or remove them",
    "image without label": "label or remove them",
    "label without image": "remove them or add their images",
    "sizes differ": "labels have to be as large as their images",
    "colours for classes": "say which class each colour is with a colour map",
    "palette in database": "Caffe takes paletted labels for colours: make the database anew",
    "past the classes": "mend the labels or the list of class names",
    "another palette": "other colours than the first label's: see if indices mean the same",
}


class Summary:
    """Sums over `Record`s. `entries` counts them, `problems` has the details of each problem."""

    def __init__(self, names=None):
        self.names = names
        self.entries = self.images = 0
        self.sizes, self.label_kinds = collections.Counter(), collections.Counter()
        self.problems = {}
        self._pixels = np.zeros(256, np.int64)  # of each index
        self._present = np.zeros(256, np.int64)  # of the labels in which an index is
        self._labels = np.zeros(256, np.int64)  # in which an index is

    def add(self, record):
        """Count one record."""
        self.entries += 1
        if record.size is not None:
            self.images += 1
            self.sizes[record.size] += 1
        if record.label_kind is not None:
            self.label_kinds[record.label_kind] += 1
        if record.counts is not None:
            there = record.counts > 0
            self._pixels += record.counts
            self._present += there * record.counts[:IGNORE_LABEL].sum()
            self._labels += there
        for problem, detail in record.problems:
            self.problems.setdefault(problem, []).append(detail)

    def as_dict(self):
        """All of it as plain data, for JSON."""
        labelled = int(self._pixels[:IGNORE_LABEL].sum())
        found = int(np.flatnonzero(self._pixels[:IGNORE_LABEL]).max(initial=-1)) + 1
        number = max(found, len(self.names or ()))
        weights = median_frequency_weights(
            self._pixels[:number].tolist(), self._present[:number].tolist()
        )
        classes = [
            {
                "index": i,
                "name": self.names[i] if i < len(self.names or ()) else f"class {i}",
                "pixels": int(self._pixels[i]),
                "share": self._pixels[i] / labelled if labelled else 0.0,
                "labels": int(self._labels[i]),
                "weight": weights[i],
            }
            for i in range(number)
        ]
        every = int(self._pixels.sum())
        sizes = sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))
        return {
            "images": self.images,
            "labels": sum(self.label_kinds.values()),
            "label_kinds": dict(sorted(self.label_kinds.items())),
            "sizes": {f"{width}x{height}": count for (width, height), count in sizes},
            "classes": classes,
            "ignored_share": self._pixels[IGNORE_LABEL] / every if every else 0.0,
            "problems": {name: self.problems[name] for name in PROBLEMS if name in self.problems},
        }


def format_summary(title, facts, details=3):
    """`Summary.as_dict()` as a table for people, with a few details of each problem."""
    sizes = list(facts["sizes"].items())
    lines = [f"{title}: {facts['images']} images, {facts['labels']} labels"]
    if sizes:
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        lines.append("sizes: " + ", ".join(f"{size} ({n})" for size, n in sizes[:3]) + more)
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
