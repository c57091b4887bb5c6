"""Two models on the same images: how far their scores and masks are apart."""

import collections

import numpy as np

from caffeformat import InputError

from .differences import largest_absolute
from .images import read_rgb
from .painting import contact_sheet, overlay
from .reports import class_name, known
from .scoring import Scoreboard

ImageDifference = collections.namedtuple(
    "ImageDifference", "name path largest relative unequal mean_iou problem"
)
ImageDifference.__doc__ = """One image: its name and path, the largest |difference| of the scores,
the same by the largest |score| of the first model (None where one of them gives masks alone), the
share of pixels whose class differs, the mean IoU between both masks, and a `problem` in words,
often "": how many scores are no finite numbers (where these are in one alone, the difference is
infinite)."""

_MARK = (255, 0, 0)  # of pixels that differ, on a contact sheet


class Comparison:
    """What two models make of images, as the images come in.

    `board` is a `Scoreboard` whose labels are the first model's masks and whose predictions are the
    second's; `images` lists an `ImageDifference` each; `worst` holds (difference, image, first
    mask, second mask) of the `keep` images that differ in most pixels, the worst first.
    """

    def __init__(self, keep=5):
        self.board, self.images, self.worst, self._keep = None, [], [], keep

    def add(self, name, path, image, first, second):
        """Take in one image with what both models made of it: (scores or None, class map) each."""
        (ours, our_map), (theirs, their_map) = first, second
        largest, relative, classes, problem = _score_difference(name, ours, theirs)
        if self.board is None:
            # Masks alone do not tell how many classes there are.
            self.board = Scoreboard(classes or 255, ignore=None)
        score = self.board.add(name, their_map, our_map)
        unequal = float((our_map != their_map).mean())
        found = ImageDifference(name, path, largest, relative, unequal, score.mean_iou, problem)
        self.images.append(found)
        self.worst.append((found, image, our_map, their_map))
        self.worst.sort(key=lambda item: (-item[0].unequal, -(item[0].relative or 0)))
        del self.worst[self._keep :]
        return found

    @property
    def equal(self):
        """Share of all pixels to which both models give the same class."""
        return self.board.matrix.pixel_accuracy

    @property
    def problems(self):
        """`<image>: <problem>` of every image that has one."""
        return [f"{image.name}: {image.problem}" for image in self.images if image.problem]

    def largest(self, field):
        """The largest `largest` or `relative` of the images; None where there are no scores."""
        values = [value for value in (getattr(i, field) for i in self.images) if value is not None]
        return max(values) if values else None


def compare(first, second, images, keep=5, progress=None):
    """The `Comparison` of two models on `images` (dict of name -> path).

    A model's `segment(image, name)` gives (scores or None, class map). `progress`, if any, is
    called after each image. Raises `InputError` where the models do not have as many classes, or
    give scores of different sizes.
    """
    comparison = Comparison(keep)
    for name, path in images.items():
        image = read_rgb(path)
        comparison.add(
            name, path, image, first.segment(image, str(path)), second.segment(image, str(path))
        )
        if progress:
            progress()
    return comparison


def sheet(comparison, palette, opacity=0.6):
    """The worst images as a picture: image, both masks over it, and where they differ, in red."""
    rows, captions = [], []
    for found, image, first, second in comparison.worst:
        apart = np.zeros((256, 3), np.uint8)
        apart[1] = _MARK
        grey = np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, axis=2)
        marked = overlay(grey, (first != second).astype(np.uint8), apart, 1.0)
        painted = [overlay(image, mask, palette, opacity) for mask in (first, second)]
        rows.append([image, *painted, marked])
        captions.append(f"{found.name}: {100 * found.unequal:.3f}% of the pixels differ")
    return contact_sheet(rows, ["image", "first", "second", "different"], captions)


def as_dict(comparison, names=None):
    """A `Comparison` as plain data for JSON: None where a difference is infinite, with words."""
    iou = comparison.board.matrix.iou.tolist()
    return {
        "equal_pixels": comparison.equal,
        "largest_score_difference": known(comparison.largest("largest")),
        "largest_relative_score_difference": known(comparison.largest("relative")),
        "problems": comparison.problems,
        "mean_iou": comparison.board.matrix.mean_iou,
        "classes": [
            {"index": index, "name": class_name(index, names), "iou": value}
            for index, value in enumerate(iou)
            if value == value  # classes that neither model found have none
        ],
        "images": [
            {
                key: known(value)
                for key, value in {**found._asdict(), "path": str(found.path)}.items()
            }
            for found in comparison.images
        ],
    }


def table(comparison, names=None):
    """A `Comparison` as lines to print: the whole, the classes, the worst images."""
    data = as_dict(comparison, names)
    width = max(len(entry["name"]) for entry in data["classes"])
    lines = [f"{'class':{width}}  IoU between the masks"]
    lines += [f"{entry['name']:{width}}  {entry['iou']:.6f}" for entry in data["classes"]]
    lines += ["", "images that differ most:"]
    for found, *_ in comparison.worst:
        scores = "" if found.relative is None else f", scores by {found.relative:.1e}"
        lines.append(
            f"  {found.name}: {100 * found.unequal:.4f}% of the pixels{scores}, mean IoU "
            f"{found.mean_iou:.6f}"
        )
    lines += ["", f"{len(comparison.images)} images"]
    lines += [f"no finite numbers in {problem}" for problem in data["problems"]]
    if comparison.largest("largest") is not None:
        lines.append(
            f"largest difference of scores   {comparison.largest('largest'):.3e} "
            f"({comparison.largest('relative'):.1e} of the largest score)"
        )
    lines.append(f"pixels of the same class       {100 * comparison.equal:.4f}%")
    lines.append(f"mean IoU between the masks     {data['mean_iou']:.6f}")
    return lines


def _score_difference(name, ours, theirs):
    """(largest difference, relative, classes, problem) of two images' scores.

    Both differences are None where one has no scores.
    """
    given = [scores for scores in (ours, theirs) if scores is not None]
    counts = [0 if s is None else int((~np.isfinite(s)).sum()) for s in (ours, theirs)]
    problem = ""
    if any(counts):
        problem = (
            f"of {given[0].size} scores {counts[0]} of the first model's and {counts[1]} of the "
            "second's are NaN or infinite"
        )
    if len(given) < 2:
        return None, None, len(given[0]) if given else None, problem
    if ours.shape != theirs.shape:
        raise InputError(
            f"{name}: the first model's scores are {'x'.join(map(str, ours.shape))}, the second's "
            f"{'x'.join(map(str, theirs.shape))}; they must have the same classes and size"
        )
    largest = largest_absolute(ours, theirs)
    if not np.isfinite(largest):
        return np.inf, np.inf, len(ours), problem
    top = float(np.abs(ours[np.isfinite(ours)]).max(initial=0))
    return largest, largest / top if top else largest, len(ours), problem
