"""Samples of a preview: images with a network's outputs, read from files or computed on demand."""

from __future__ import annotations

import os
import threading
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from caffeformat import InputError, reading
from caffeformat.files import open_file
from fcnkit.images import as_rgb, palette_from_image, read_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fcnkit.inference import Segmenter

SCORES_SUFFIX = "_scores.npz"

# Scores of 256 million float32 values, as much as a page can show; the zip around them is small.
MAX_SCORE_BYTES = (1 << 30) + (1 << 20)


class Sample(NamedTuple):
    """One image with the network's outputs."""

    image: NDArray[np.uint8]  # H x W x 3, RGB
    outputs: dict[str, NDArray[np.floating[Any]]]  # blob name -> C x H x W, of the image's size
    notes: list[str]  # sentences for the page
    label: NDArray[np.uint8] | None = None  # H x W class indices


class ScoreFile:
    """Scores written by `infer --save-scores`: `title` for the page, `load()` reads the `Sample`.

    `palette` is that of the mask that `infer` wrote beside them, 256 x 3 uint8, or None; `bands`
    are the channels to show of its image.
    """

    def __init__(self, path: str, title: str, bands: Sequence[int] | None = None) -> None:
        self.path, self.title, self._bands = path, title, bands
        self.mask = path[: -len(SCORES_SUFFIX)] + ".png"

    def load(self) -> Sample:
        """Read the sample. Raises `InputError` for files that hold no scores."""
        scores, blob, image_path = read_scores(self.path)
        try:
            image = as_rgb(read_image(image_path), self._bands)
        except InputError as error:
            height, width = scores.shape[1:]
            note = f"The image is shown white: {error}"
            return Sample(np.full((height, width, 3), 255, np.uint8), {blob: scores}, [note])
        height, width = image.shape[:2]
        return Sample(image, {blob: stretched(scores, (height, width))}, [])

    @property
    def palette(self) -> NDArray[np.uint8] | None:
        return palette_from_image(self.mask) if os.path.isfile(self.mask) else None


class NetImage:
    """An image that a net segments on demand; `source` is a path or a file's content."""

    palette: NDArray[np.uint8] | None = None

    def __init__(self, segmenter: SharedSegmenter, source: str | bytes, title: str) -> None:
        self._segmenter, self._source, self.title = segmenter, source, title

    def load(self) -> Sample:
        """Segment it. Raises `InputError` for unreadable images and those too large for memory."""
        image = self._segmenter.read(self._source, self.title)
        return self._segmenter.sample(image, self.title)


class SharedSegmenter:
    """A `Segmenter` shared by the threads of a server, one image at a time."""

    def __init__(self, segmenter: Segmenter, bands: Sequence[int] | None = None) -> None:
        self._segmenter, self._lock, self._bands = segmenter, threading.Lock(), bands

    def read(self, source: str | bytes, title: str) -> NDArray[Any]:
        """Read an image as the net takes it, H x W x channels."""
        return self._segmenter.read(source, title)

    def sample(self, image: NDArray[Any], title: str) -> Sample:
        """Return the `Sample` of an image, H x W x channels, RGB where it has three."""
        with self._lock:
            # A copy: the net writes its next scores into the same memory.
            scores = np.array(self._segmenter.scores(image, title))
            blob, note = self._segmenter.output_blob, self._segmenter.note
        assert blob is not None  # chosen for the first image
        height, width = image.shape[:2]
        shown = as_rgb(image, self._bands)
        return Sample(shown, {blob: stretched(scores, (height, width))}, [note] if note else [])


def find_score_files(
    paths: Iterable[str | os.PathLike[str]], bands: Sequence[int] | None = None
) -> list[ScoreFile]:
    """Return the `ScoreFile`s among `paths` and anywhere below folders, sorted by title per folder.

    Raises `InputError` where a path holds none.
    """
    found = []
    for path in [os.fspath(path) for path in paths]:
        if os.path.isdir(path):
            below = [
                os.path.join(place, name)
                for place, _, names in os.walk(path)
                for name in names
                if name.endswith(SCORES_SUFFIX)
            ]
            if not below:
                raise InputError(
                    f"{path}: expected saved scores (*{SCORES_SUFFIX}), found none; images need a "
                    "network to run on them"
                )
            files = [ScoreFile(name, _title(os.path.relpath(name, path)), bands) for name in below]
            found += sorted(files, key=lambda file: file.title)
        elif path.endswith(SCORES_SUFFIX) and os.path.isfile(path):
            found.append(ScoreFile(path, _title(os.path.basename(path)), bands))
        else:
            raise InputError(f"{path}: expected a folder or a file *{SCORES_SUFFIX}")
    return found


def readable(path: str) -> str:
    """Return a path as text that every page can show: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_scores(path: str) -> tuple[NDArray[np.floating[Any]], str, str]:
    """Read (scores C x H x W, blob name, path of the image) from a file of saved scores.

    Nothing is unpickled. Raises `InputError` where the file holds something else or too much.
    """
    with reading(path, "cannot be read as scores"):
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            size = sum(info.file_size for info in archive.infolist())
            names = archive.namelist()
        if size > MAX_SCORE_BYTES:
            raise InputError(
                f"{path}: refused, it unpacks to {size} bytes; the limit is {MAX_SCORE_BYTES}"
            )
        if len(set(names)) < len(names):
            raise InputError(f"{path}: holds two arrays of one name: save it again")
        with open_file(path) as file, np.load(file, allow_pickle=False) as found:
            scores = np.asarray(found["scores"])
            blob, image = str(found["blob"]), str(found["image"])
    if scores.ndim != 3 or scores.dtype.kind != "f" or not scores.size:
        raise InputError(f"{path}: expected scores of shape C x H x W, found {scores.shape}")
    return scores, blob, image


def stretched(
    scores: NDArray[np.floating[Any]], shape: tuple[int, int]
) -> NDArray[np.floating[Any]]:
    """Return `scores` (C x h x w) at `shape` (height, width): each pixel takes the nearest score.

    Nearest in the sense of `Segmenter.map_of`, so that both give the same class maps.
    """
    if scores.shape[1:] == tuple(shape):
        return scores
    rows, columns = (
        np.asarray(Image.fromarray(np.arange(old, dtype=np.int32)[None]).resize((new, 1), 0))[0]
        for old, new in zip(scores.shape[1:], shape)
    )
    return scores[:, rows[:, None], columns[None]]


def _title(name: str) -> str:
    return readable(name[: -len(SCORES_SUFFIX)])
