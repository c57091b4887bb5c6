"""Segments image files into one folder of masks, overlays, class shares and scores."""

from __future__ import annotations

import contextlib
import functools
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, atomic_write, listed
from fcnkit.datasets import image_files
from fcnkit.files import write_json
from fcnkit.images import IGNORE_LABEL, as_rgb, legend, overlay, write_png

from .ahead import ahead
from .batches import Read, run_in_batches
from .scoring import CONFIDENCE_SUFFIX, OVERLAY_SUFFIX, names_for

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from typing import Union

    from numpy.typing import DTypeLike, NDArray

    from fcnkit.images import LegendEntry

    from .predictions import Prediction
    from .segmenter import Segmenter

    Path = Union[str, os.PathLike[str]]

SCORE_TYPES = {"float16": np.float16, "float32": np.float32}


class Result(NamedTuple):
    """The outcome of one image."""

    name: str
    size: tuple[int, int] | None  # width, height; None where it could not be read
    entries: list[LegendEntry]  # the classes found in it
    error: InputError | None  # why it could not be segmented; there are no entries then


def find_images(inputs: Iterable[Path]) -> OrderedDict[str, str]:
    """Find the images among files and folders (searched recursively): name -> path, in order.

    A file's name is its base name without suffix; in a folder it keeps the path below the folder.
    A file that is named twice counts once.
    Raises `InputError` for what is missing, for an empty folder and for two images of one name.
    """
    found: OrderedDict[str, str] = OrderedDict()
    for given in [os.fspath(each) for each in inputs]:
        if os.path.isdir(given):
            images = image_files(given)
            if not images:
                raise InputError(f"{given}: there are no images in this folder")
        elif os.path.exists(given):
            images = {os.path.splitext(os.path.basename(given))[0]: given}
        else:
            raise InputError(f"{given}: there is no such image or folder")
        for name, path in images.items():
            if name in found and os.path.realpath(path) != os.path.realpath(found[name]):
                raise InputError(
                    f"{path} and {found[name]} would both become {name}.png: segment them into "
                    "two folders"
                )
            found[name] = path
    return found


def output_paths(name: str, save_scores: bool = False, confidence: bool = False) -> list[str]:
    """The files that are written for image `name`, relative to the output folder."""
    kinds = [f"{name}.png", f"{name}{OVERLAY_SUFFIX}.png", f"{name}.json"]
    kinds += [f"{name}_scores.npz"] if save_scores else []
    return kinds + ([f"{name}{CONFIDENCE_SUFFIX}.png"] if confidence else [])


def check_outputs(
    images: Mapping[str, Path],
    output: Path,
    save_scores: bool = False,
    force: bool = False,
    confidence: bool = False,
) -> None:
    """Make the folder `output`; raise `InputError` where a result would overwrite something.

    That is another image's result, or a file in the folder unless `force` allows it.
    """
    try:
        os.makedirs(output, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot write results here: {error.strerror}") from error
    owners: dict[str, Path] = {}
    for name, path in images.items():
        for target in output_paths(name, save_scores, confidence):
            if target in owners:
                raise InputError(f"{path} and {owners[target]} would both write {target}")
            owners[target] = path
    there = [path for path in owners if os.path.exists(os.path.join(output, path))]
    read = {os.path.realpath(path) for path in images.values()}
    for name in there:
        target = os.path.join(output, name)
        if os.path.realpath(target) in read:
            raise InputError(
                f"{target}: is an input, which its mask would replace: choose another folder"
            )
    if there and not force:
        shown = listed(os.path.join(output, path) for path in there)
        raise InputError(
            f"{shown} would be overwritten: choose another folder, or pass {{option}}",
            option="force",
            value=True,
        )


def segment_files(
    segmenter: Segmenter,
    images: Mapping[str, Path],
    output: Path,
    palette: NDArray[np.uint8],
    names: Sequence[str] | None = None,
    opacity: float = 0.6,
    save_scores: str | None = None,
    bands: Sequence[int] | None = None,
    confidence: bool = False,
    at_least: float | None = None,
) -> Generator[Result, None, None]:
    """Segment `images` (name -> path) into the folder `output`; yield one `Result` per image.

    Writes `<name>.png` (paletted, class indices, at the image's size), `<name>_overlay.png`,
    `<name>.json` (class names and pixel shares) and, where `save_scores` is "float16" or
    "float32", `<name>_scores.npz`: `scores` (C x H x W at the size that the net saw), `blob`,
    `shape` and `image`, and with `confidence` `<name>_confidence.png` (8 bits, grey: the
    probability of each pixel's class, 255 for 1). Pixels whose class has a probability below
    `at_least`, 0 to 1, get the index 255. `palette` is 256 x 3 uint8, `opacity` (0 to 1) that of
    the classes in the overlay, `bands` the channels that it shows (see `as_rgb`). An image that
    cannot be read gives a `Result` with an error, and the next one follows. Raises `InputError`
    where the number of `names` is not the net's number of classes, and `NetworkError` where net and
    weights do not fit, since no image could be segmented then.
    """
    if at_least is not None and not 0 <= at_least <= 1:
        raise InputError(
            f"a probability of {at_least:g} in {{option}}: expected 0 to 1", option="at_least"
        )
    painter = _Painter(output, palette, names, opacity, save_scores, bands, confidence, at_least)

    def read(name: str) -> Read:
        path = os.fspath(images[name])
        try:
            return Read(name, path, segmenter.read(path))
        except InputError as error:
            return Read(name, path, error)

    def run(found: Sequence[NDArray[Any]], names: Sequence[str]) -> Sequence[_Made]:
        needed = painter.needs_confidence
        if not painter.save_scores:
            made = segmenter.predict_together(found, names, needed)
            return [_Made(later, None) for later in made]
        # Copies: the next pass may overwrite them.
        copies = [np.array(scores) for scores in segmenter.scores_together(found, names)]
        finish = segmenter.prediction_of
        return [
            _Made(functools.partial(finish, scores, image.shape[:2], needed), scores)
            for scores, image in zip(copies, found)
        ]

    # Files are read and written in threads of their own, while the net runs in this one.
    reading = ahead(read, images, max(2, segmenter.evaluation.batch))
    made = run_in_batches(segmenter, reading, run)

    def paint(found: tuple[Read, _Made | Exception]) -> Result:
        return painter.paint(*found, segmenter.output_blob)

    with contextlib.closing(ahead(paint, made)) as results:
        yield from results


class _Made(NamedTuple):
    """What the net computed of an image, for another thread to write its files."""

    later: Callable[[], Prediction]
    scores: NDArray[np.float32] | None  # where they are saved


class _Painter(NamedTuple):
    """Writes the files of one image; the fields are the parameters of `segment_files`."""

    output: Path
    palette: NDArray[np.uint8]
    names: Sequence[str] | None
    opacity: float
    save_scores: str | None
    bands: Sequence[int] | None
    confidence: bool
    at_least: float | None

    @property
    def needs_confidence(self) -> bool:
        return self.confidence or self.at_least is not None

    def paint(self, read: Read, made: _Made | Exception, blob: str | None) -> Result:
        name, path, image = read
        if isinstance(made, InputError):
            return Result(name, None, [], made)
        if isinstance(made, Exception):
            raise made
        assert not isinstance(image, Exception)  # nothing is made of what was not read
        try:
            found = made.later()
        except InputError as late:
            return Result(name, None, [], late)
        names = names_for(found.classes, self.names)
        class_map = found.mask
        if self.at_least is not None and found.confidence is not None:
            left_out = found.confidence < self.at_least
            class_map = np.where(left_out, np.uint8(IGNORE_LABEL), class_map)
        mask, painted, shares, *rest = (
            os.path.join(self.output, target)
            for target in output_paths(name, bool(self.save_scores), self.confidence)
        )
        os.makedirs(os.path.dirname(mask) or ".", exist_ok=True)
        if made.scores is not None:
            _write_scores(rest[0], made.scores, self.save_scores or "", blob, path)
        if self.confidence and found.confidence is not None:
            _write_confidence(rest[-1], found.confidence)
        with atomic_write(mask) as file:
            write_png(file, class_map, self.palette)
        with atomic_write(painted) as file:
            shown = overlay(as_rgb(image, self.bands), class_map, self.palette, self.opacity)
            write_png(file, shown)
        entries = legend(class_map, self.palette, names or ())
        # Last, so that where there is a JSON file there are pictures, too.
        write_json(shares, _as_dict(path, image, entries))
        return Result(name, (image.shape[1], image.shape[0]), entries, None)


def rounded_scores(scores: NDArray[np.float32], dtype: DTypeLike) -> NDArray[Any]:
    """Round `scores` (C x H x W) to `dtype`, keeping the class of highest score at every pixel.

    Scores that were different may become equal; then those of classes before the winner, which
    `argmax` would choose instead, are lowered by the smallest possible step.
    """
    rounded: NDArray[Any] = scores.astype(dtype)
    winner = scores.argmax(0)
    lost = rounded.argmax(0) != winner
    columns = rounded[:, lost]
    before = np.arange(len(scores))[:, None] < winner[lost]
    tied = before & (columns == columns.max(0, initial=-np.inf))
    columns[tied] = np.nextafter(columns[tied], columns.dtype.type(-np.inf))
    rounded[:, lost] = columns
    return rounded


def _as_dict(path: Path, image: NDArray[Any], entries: Iterable[LegendEntry]) -> dict[str, Any]:
    return {
        "image": os.fspath(path),
        "width": image.shape[1],
        "height": image.shape[0],
        "classes": [
            {"index": entry.index, "name": entry.name, "share": float(entry.share)}
            for entry in entries
        ],
    }


def _write_confidence(target: str, confidence: NDArray[np.float32]) -> None:
    """Write H x W probabilities as a grey PNG of 8 bits."""
    with atomic_write(target) as file:
        write_png(file, np.rint(255 * confidence).astype(np.uint8))


def _write_scores(
    target: str, scores: NDArray[np.float32], kind: str, blob: str | None, image: Path
) -> None:
    largest = float(np.abs(scores).max())
    if kind == "float16" and largest >= np.finfo(np.float16).max:
        raise InputError(
            f"{image}: scores of up to {largest:.3g} do not fit float16: pass {{option}}",
            option="save_scores",
            value="float32",
        )
    with atomic_write(target) as file:
        np.savez(
            file,
            scores=rounded_scores(scores, SCORE_TYPES[kind]),
            blob=np.array(blob),
            shape=np.array(scores.shape),
            image=np.array(os.fspath(image)),
        )
