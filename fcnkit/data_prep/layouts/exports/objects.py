"""Classes and labels of sources that hold objects, as outlines or masks, and no label images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.images import IGNORE_LABEL, MAX_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

# Names that tools give to what no object covers, and to what is to be ignored.
_BACKGROUND = ("background", "_background_", "__background__", "bg")
_IGNORE = ("__ignore__", "ignore", "neutral")


# Objects times pixels of one image: 1,024 objects on the largest image, 200,000 on one of COCO's.
_MOST_WORK = 1 << 36


class ObjectClasses(NamedTuple):
    """The index of each class of objects, and `background`, that of pixels without an object."""

    names: list[str]
    numbers: dict[str, int]  # by the objects' own names
    background: int
    words: str  # how indices and background were found


def object_classes(found: Sequence[str], given: Sequence[str] | None, source: str) -> ObjectClasses:
    """Number the classes of objects: as `given`, else background first, then as `found`.

    Where the list that is given begins with a name that no object has, that is the background;
    without such a name pixels without an object are ignored. Objects called `__ignore__`, `ignore`
    or `neutral` are ignored, and blanks around names mean nothing.

    Raises `InputError` for an object whose name is not given.
    """
    own, found = found, list(dict.fromkeys(name.strip() for name in found))
    ignored = {name: IGNORE_LABEL for name in found if name.lower() in _IGNORE}
    if given is None:
        base = [name for name in found if name.lower() in _BACKGROUND][:1] or ["background"]
        names = base + [name for name in found if name not in base and name not in ignored]
        index, background, words = _numbered(names), 0, "background is 0"
    else:
        names = [name for name in given if name.lower() not in _IGNORE]
        index = _numbered(names)
        missing = [name for name in found if name not in index and name not in ignored]
        if missing:
            raise InputError(
                f"{source}: has objects of the class {missing[0]!r}, which the class names lack: "
                "add it to the list of {option}, or call it `ignore`",
                option="classes",
            )
        first = names[0] if names else ""
        has_background = first.lower() in _BACKGROUND or first not in found
        background = 0 if has_background else IGNORE_LABEL
        words = f"{first} is 0, as background" if has_background else "no background: 255"
    if not 1 <= len(names) <= MAX_CLASSES:
        raise InputError(f"{source}: expected 1 to {MAX_CLASSES} classes, found {len(names)}")
    numbers = {**index, **ignored}
    numbers.update({name: numbers[name.strip()] for name in own})
    return ObjectClasses(names, numbers, background, words)


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: index for index, name in enumerate(names)}


class ObjectPainter:
    """Draws the objects of images one over the other, and counts pixels that two classes claim.

    `overlap` is `later`, for the later object, or `ignore`, for 255.
    """

    def __init__(self, background: int, overlap: str) -> None:
        self.background, self.overlap = background, overlap
        self._pixels = self._claimed = 0

    def draw(
        self, size: tuple[int, int], objects: Iterable[tuple[int, Callable[[], Mask]]], name: str
    ) -> NDArray[np.uint8]:
        """H x W class indices of `objects`, pairs of a class index and what makes the mask.

        Raises `InputError` with `name` if that is more work than any photograph asks for.
        """
        label: NDArray[np.uint8] = np.full(size, self.background, np.uint8)
        taken: Mask = np.zeros(size, bool)
        claimed: Mask = np.zeros(size, bool)
        for number, (index, make) in enumerate(objects, 1):
            if number * label.size > _MOST_WORK:
                raise InputError(
                    f"{name}: refused: more than {number - 1} objects on {size[1]} x {size[0]} "
                    "pixels; cut the image into smaller ones"
                )
            mask = make()
            both = mask & taken & (label != index)
            claimed |= both
            label[mask] = index
            if self.overlap == "ignore":
                label[both] = IGNORE_LABEL
            taken |= mask
        self._pixels += label.size
        self._claimed += int(claimed.sum())
        return label

    def remarks(self) -> list[str]:
        """What was found of overlapping objects."""
        if not self._claimed:
            return []
        share = f"{self._claimed / self._pixels:.2%} of all pixels are claimed by two classes"
        if self.overlap == "ignore":
            return [f"{share} and ignored; with the overlap `later` the later object gets them"]
        return [f"{share}: the later object gets them"]


def check_size(stated: tuple[int, int], shown: tuple[int, int], name: str) -> None:
    """Raise `InputError` if objects are for an image of another size; sizes are (height, width)."""
    if stated != shown:
        turned = " (turned by its EXIF orientation, or swapped)" if stated == shown[::-1] else ""
        raise InputError(
            f"{name}: annotations for {stated[1]} x {stated[0]} pixels, but the image is shown as "
            f"{shown[1]} x {shown[0]}{turned}: annotate the image as it is, or scale it back"
        )


def refuse_shares(corners: Iterable[Iterable[tuple[float, float]]], name: str) -> None:
    """Raise `InputError` if all corners of the objects in a file are shares of their image's size.

    Drawn as pixels they would be dots in the corner. Stops at the first one that is none: an object
    alone may be as small, as at the border of a tile.
    """
    are_shares = False
    for points in corners:
        for x, y in points:
            if not (-0.5 <= x <= 1.5 and -0.5 <= y <= 1.5):  # objects may end beside their image
                return
            are_shares |= x % 1 > 0 or y % 1 > 0
    if are_shares:
        raise InputError(
            f"{name}: all corners are between 0 and 1, expected pixels: if they are shares of the "
            "image's size, multiply them by its width and height"
        )
