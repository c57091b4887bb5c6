"""Finds which label belongs to which image by their names."""

from __future__ import annotations

import bisect
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError

from ..image_sets import same_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .catalogue import File

# Names of sets, as exports have them -> what they become.
SPLITS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}

# Words that tell a folder or file of labels or of images from others; `words_in` finds them.
LABEL_WORDS = frozenset((
    "ann", "anns", "annot", "annotation", "annotations", "annots", "gt", "gtcoarse", "gtfine",
    "groundtruth", "groundtruths", "gts", "label", "labeled", "labelids", "labelled", "labelmap",
    "labelmaps", "labels", "labeltrainids", "lbl", "lbls", "manual", "mask", "maskimages", "masks",
    "matte", "parsing", "pixelmaps", "seg", "segmap", "segmaps", "segmentation",
    "segmentationclass", "segmentationclassaug", "segmentationclasspng", "segmentations", "segs",
    "semantic", "semantics", "stuffthingmaps", "target", "targets", "trainids", "trimap", "trimaps",
    "truth",
))  # fmt: skip
IMAGE_WORDS = frozenset((
    "frames", "image", "images", "img", "imgs", "input", "inputs", "jpegimages", "leftimg8bit",
    "original", "originals", "photo", "photos", "pics", "picture", "pictures", "rgb", "src",
))  # fmt: skip
# Labels in colours for people, where there are others beside them.
VISUAL_WORDS = frozenset((
    "color", "colored", "colormap", "colormaps", "colors", "colour", "coloured", "colourmap",
    "colourmaps", "colours", "overlay", "preview", "rgb", "vis", "visual", "visualisation",
    "visualization", "viz",
))  # fmt: skip
_GLUED = re.compile(
    r"(default|train|training|val|valid|validation|test)(annot|label|mask|gt|image|img)s?"
)
# The folders of nnU-Net, whose images end in the number of their channel
_NNUNET, _FIRST_CHANNEL = re.compile("(images|labels)(tr|ts)"), "_0000"
# `train2017` of COCO, `manual1` of the first annotator
_NUMBERED = re.compile(r"((?:train|val|test)(?=(?:19|20)\d\d$)|manual(?=\d$))\d+")


def words_in(text: str) -> list[str]:
    """The words of a file or folder name, lower case: `train_labels` -> train, labels."""
    words = re.findall(r"[^\W_]+", text.lower())
    found: list[str] = []
    for word in words:
        match = _GLUED.fullmatch(word) or _NUMBERED.fullmatch(word)
        found += match.groups() if match else [word]
        if word.endswith(("tr", "ts")) and _NNUNET.fullmatch(word):
            found[-1:] = [word[:-2], "train" if word.endswith("tr") else "test"]
    return found


def split_of(path: str) -> str:
    """`train`, `val` or `test` if a word of a path says so, as in `train2017` or `val_list`."""
    words = (re.sub(r"\d+$", "", word) for word in words_in(path))
    return next((SPLITS[word] for word in words if word in SPLITS), "")


class Paired(NamedTuple):
    """What `pair_up` found."""

    pairs: list[tuple[File, File]]  # image, label
    images: list[File]  # images without label
    labels: list[File]  # labels without image
    # How names of images and labels are made from the names that they share, if they differ
    patterns: tuple[str, str] | None = None


class _Affixes(NamedTuple):
    """What images and labels have beside the part of their names that is common to both."""

    image: str
    label: str
    at_end: bool

    def patterns(self) -> tuple[str, str]:
        """How names of images and of labels are made: `<name>_mask`."""
        if self.at_end:
            return f"<name>{self.image}", f"<name>{self.label}"
        return f"{self.image}<name>", f"{self.label}<name>"

    def core(self, stem: str, affix: str) -> str | None:
        """`stem` without `affix`; None if it has none or is nothing else."""
        if len(stem) <= len(affix) or not (
            stem.endswith(affix) if self.at_end else stem.startswith(affix)
        ):
            return None
        return stem[: len(stem) - len(affix)] if self.at_end else stem[len(affix) :]


def pair_up(images: Sequence[File], labels: Sequence[File], place: Callable[[File], str]) -> Paired:
    """Pair the images and labels of one set by name.

    `place(file)` is its folder below the folder of images or labels. Names are compared whole
    first, then without what all labels, or all images, have at one end (`x_mask`,
    `x_leftImg8bit`), then without folders. The first comparison that finds an image for each label
    counts, else the one that finds the most.
    Raises `InputError` if two images fit the labels equally well, or share a name.
    """
    best = Paired([], list(images), list(labels))
    for where in (place, _nowhere):
        found = _compare(images, labels, where, _Affixes("", "", True))
        if found is not None and len(found.pairs) < len(labels):
            found = _best_affixes(images, labels, where, found)
        if found is not None and len(found.pairs) > len(best.pairs):
            best = found
        if len(best.pairs) == len(labels):
            break
    if not best.pairs:
        _refuse_twins(images, place)
        _refuse_twins(labels, place)
    return best


def _nowhere(file: File) -> str:
    return ""


def _best_affixes(
    images: Sequence[File], labels: Sequence[File], where: Callable[[File], str], best: Paired
) -> Paired:
    ties: list[tuple[_Affixes, Paired]] = []
    for affixes in sorted(_candidates(images, labels), key=_likelihood):
        found = _compare(images, labels, where, affixes)
        if found is None or len(found.pairs) <= len(best.pairs):
            if found is not None and ties and len(found.pairs) == len(best.pairs):
                ties.append((affixes, found))
            continue
        best, ties = found, [(affixes, found)]
    if len(ties) > 1 and _likelihood(ties[0][0])[:2] == _likelihood(ties[1][0])[:2]:
        image, label = ties[0][1].pairs[0]
        for other_image, other in ties[1][1].pairs:
            if other_image == image and other != label:
                raise InputError(
                    f"{image}: both {label.name} and {other.name} may be its label: one label "
                    "with all classes is expected: combine masks of single classes or objects "
                    "into one file of class indices per image, 0 where no mask is, or keep the "
                    "labels of one kind"
                )
        kinds = ", ".join(found.pairs[0][0].name for _, found in ties[:2])
        raise InputError(
            f"{label}: may belong to several kinds of images, such as {kinds}: keep one kind"
        )
    return best


def _likelihood(affixes: _Affixes) -> tuple[bool, bool, int]:
    """A key that sorts likely affixes first."""
    words = words_in(affixes.image)
    return (
        bool(affixes.image),
        not IMAGE_WORDS.intersection(words),
        len(affixes.image) + len(affixes.label),
    )


def _candidates(images: Sequence[File], labels: Sequence[File]) -> set[_Affixes]:
    """Affixes by which the names of some labels and their neighbours among the images differ."""
    found = set()
    for at_end in (True, False):
        turn = slice(None) if at_end else slice(None, None, -1)
        stems = sorted({same_name(file.stem)[turn] for file in images})
        step = max(1, len(labels) // _PROBES)
        for label in labels[::step]:
            stem = same_name(label.stem)[turn]
            near = bisect.bisect(stems, stem)
            for other in stems[max(0, near - _NEIGHBOURS) : near + _NEIGHBOURS]:
                common = _common_length(stem, other)
                # Where a word goes on in both, they differ within it, as 0001 and 0002 do.
                if common and _is_affix(stem, common) and _is_affix(other, common):
                    image, name = other[common:][turn], stem[common:][turn]
                    found.add(_Affixes(image, name, at_end))
    if any(file.stem.endswith(_FIRST_CHANNEL) for file in images):
        found.add(_Affixes(_FIRST_CHANNEL, "", True))
    return found


_PROBES, _NEIGHBOURS = 5, 4


def _common_length(first: str, second: str) -> int:
    """The number of characters at the beginning of both."""
    pairs = enumerate(zip(first, second))
    return next((n for n, (a, b) in pairs if a != b), min(len(first), len(second)))


def _is_affix(stem: str, start: int) -> bool:
    """Whether what `stem` has from `start` on is nothing, or words beside the name."""
    rest = stem[start:]
    if not rest:
        return True
    begins = not rest[0].isalnum() or not stem[start - 1].isalnum()
    begins = begins or rest[0].isalpha() != stem[start - 1].isalpha()
    return begins and any(character.isalpha() for character in rest)


def _compare(
    images: Sequence[File],
    labels: Sequence[File],
    where: Callable[[File], str],
    affixes: _Affixes,
) -> Paired | None:
    """The pairs by names without `affixes`; None if two files would share a name."""
    of_image = _cores(images, where, affixes, affixes.image)
    of_label = _cores(labels, where, affixes, affixes.label)
    if of_image is None or of_label is None:
        return None
    pairs = [(of_image[key], of_label[key]) for key in of_image if key in of_label]
    paired = {file for pair in pairs for file in pair}
    return Paired(
        pairs,
        [file for file in images if file not in paired],
        [file for file in labels if file not in paired],
        affixes.patterns() if affixes.image or affixes.label else None,
    )


def _cores(
    files: Sequence[File], where: Callable[[File], str], affixes: _Affixes, affix: str
) -> dict[str, File] | None:
    found: dict[str, File] = {}
    for file in files:
        core = affixes.core(same_name(file.stem), affix)
        if core is None:
            continue
        key = f"{same_name(where(file))}/{core}"
        if key in found:
            return None
        found[key] = file
    return found


def _refuse_twins(files: Sequence[File], where: Callable[[File], str]) -> None:
    """Raise `InputError` if two files of one folder differ in their suffixes only."""
    found: dict[str, File] = {}
    for file in files:
        key = f"{same_name(where(file))}/{same_name(file.stem)}"
        if key in found:
            raise InputError(f"{file}: {found[key].name} has the same name: remove one of them")
        found[key] = file
