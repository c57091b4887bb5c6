"""What a preview shows: images with the outputs of a network, from files or from a net it runs."""

import collections
import os
import threading
import zipfile
import zlib

import numpy as np
from PIL import Image

from caffeformat import InputError
from fcnkit.images import read_rgb
from fcnkit.palette import palette_from_image

SCORES_SUFFIX = "_scores.npz"

# Scores of 256 million float32 values, as much as a page can show; the zip around them is small.
MAX_SCORE_BYTES = (1 << 30) + (1 << 20)

Sample = collections.namedtuple("Sample", "image outputs notes label", defaults=(None,))
Sample.__doc__ = """One image and what the network said about it.

`image` is H x W x 3 uint8 RGB, `outputs` a dict of blob name -> C x H x W array of the image's
height and width, `notes` a list of sentences for the page, `label` H x W uint8 or None."""


class ScoreFile:
    """Scores that `infer --save-scores` wrote: `title` for the page, `load()` gives the `Sample`.

    `palette` is the one of the mask that `infer` wrote beside, 256 x 3 uint8, or None.
    """

    def __init__(self, path, title):
        self.path, self.title = path, title
        self.mask = path[: -len(SCORES_SUFFIX)] + ".png"

    def load(self):
        """Raises `InputError` for files that hold no scores."""
        scores, blob, image_path = read_scores(self.path)
        try:
            image = read_rgb(image_path)
        except InputError as error:
            height, width = scores.shape[1:]
            note = f"The image is shown white: {error}"
            return Sample(np.full((height, width, 3), 255, np.uint8), {blob: scores}, [note])
        return Sample(image, {blob: stretched(scores, image.shape[:2])}, [])

    @property
    def palette(self):
        return palette_from_image(self.mask) if os.path.isfile(self.mask) else None


class NetImage:
    """An image that a net segments when it is asked for; `source` is a path or a file's content."""

    def __init__(self, segmenter, source, title):
        self._segmenter, self._source, self.title = segmenter, source, title
        self.palette = None

    def load(self):
        """Raises `InputError` for images that cannot be read or are too large for the memory."""
        image = read_rgb(self._source, self.title)
        return self._segmenter.sample(image, self.title)


class SharedSegmenter:
    """A `Segmenter` for the threads of a server: one image at a time."""

    def __init__(self, segmenter):
        self._segmenter, self._lock = segmenter, threading.Lock()

    def sample(self, image, title):
        """The `Sample` of an image, H x W x 3 uint8 RGB."""
        with self._lock:
            # A copy: the net writes its next scores into the same memory.
            scores = np.array(self._segmenter.scores(image, title))
            blob = self._segmenter.output_blob
        return Sample(image, {blob: stretched(scores, image.shape[:2])}, [])


def find_score_files(paths):
    """`ScoreFile`s of files and of all below folders, in the order of their names.

    Raises `InputError` where there are none.
    """
    found = []
    for path in map(os.fspath, paths):
        if os.path.isdir(path):
            below = [
                os.path.join(place, name)
                for place, _, names in os.walk(path)
                for name in names
                if name.endswith(SCORES_SUFFIX)
            ]
            if not below:
                raise InputError(
                    f"{path}: expected scores that infer --save-scores wrote (*{SCORES_SUFFIX}), "
                    "found none; to run a network on images, give it with --net, --run or "
                    "--digits-model"
                )
            files = [ScoreFile(name, _title(os.path.relpath(name, path))) for name in below]
            found += sorted(files, key=lambda file: file.title)
        elif path.endswith(SCORES_SUFFIX) and os.path.isfile(path):
            found.append(ScoreFile(path, _title(os.path.basename(path))))
        else:
            raise InputError(f"{path}: expected a folder or a file *{SCORES_SUFFIX}")
    return found


def readable(path):
    """A path as text that every page can show: bytes that are no UTF-8 become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_scores(path):
    """(scores C x H x W, blob name, path of the image) from a file of `infer --save-scores`.

    Nothing is unpickled. Raises `InputError` where the file holds something else or too much.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MAX_SCORE_BYTES:
            raise InputError(f"{path}: refused, it holds {size} bytes, at most {MAX_SCORE_BYTES}")
        with np.load(path, allow_pickle=False) as found:
            scores, blob, image = found["scores"], str(found["blob"]), str(found["image"])
    except _READ_ERRORS as error:
        raise InputError(
            f"{path}: cannot be read as scores of infer --save-scores: {error}"
        ) from error
    if scores.ndim != 3 or scores.dtype.kind != "f" or not scores.size:
        raise InputError(f"{path}: expected scores of C x H x W, found {scores.shape}")
    return scores, blob, image


def stretched(scores, shape):
    """`scores` (C x h x w) at `shape` (height, width), each pixel that of the nearest score.

    The nearest as `Segmenter.map_of` has it, so that the class maps of both are the same.
    """
    if scores.shape[1:] == tuple(shape):
        return scores
    rows, columns = (
        np.asarray(Image.fromarray(np.arange(old, dtype=np.int32)[None]).resize((new, 1), 0))[0]
        for old, new in zip(scores.shape[1:], shape)
    )
    return scores[:, rows[:, None], columns[None]]


def _title(name):
    return readable(name[: -len(SCORES_SUFFIX)])


_READ_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    EOFError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
