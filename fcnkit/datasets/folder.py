"""Dataset folders: class names, palette, manifest and splits of one dataset, opened once."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from caffeformat.files import MOST_BYTES, open_text
from fcnkit.files import read_json_object
from fcnkit.images import DEPTHS, IGNORE_LABEL, ImageForm, read_class_names, read_palette

from .digits_jobs import class_names_and_palette, is_job
from .reading import FolderDataset, LmdbDataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from numpy.typing import NDArray
    from typing_extensions import Self

    from .reading import SegmentationDataset

    T = TypeVar("T")


# Names that other tools give to the set `val`.
_VALS = ("valid", "validation")


class DatasetFolder:
    """A dataset folder: class names, palette, manifest, and splits that are opened at most once.

    `path` holds `<split>/{images,labels}` or `<split>_db/{features,labels}`, or images and labels
    themselves. `classes.txt`, `palette.txt` and `manifest.json` are read from it if they exist, the
    names and palette of a DIGITS job from the job. `colours` (N x 3 uint8) maps the colours of RGB
    labels to classes.

    Attributes: `path`, and `names`, the class names or None if unknown.
    """

    def __init__(
        self, path: str | os.PathLike[str], colours: NDArray[np.uint8] | None = None
    ) -> None:
        self.path = os.fspath(path)
        self._colours = colours
        self._open: dict[str, SegmentationDataset] = {}
        self.names: list[str] | None = read_if_there(read_class_names, self.path, "classes.txt")
        self._palette = read_if_there(read_palette, self.path, "palette.txt")
        if self.names is None and self._palette is None and is_job(self.path):
            # The images can be used whether the job can be read or not.
            with contextlib.suppress(InputError):
                self.names, self._palette = class_names_and_palette(self.path)

    @property
    def palette(self) -> NDArray[np.uint8]:
        """The palette, 256 x 3 RGB; if the folder has none, that of its first split."""
        if self._palette is not None:
            return self._palette
        return self.split("train" if self.has("train") else "val").palette

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """What `create_lmdb` wrote about the dataset; empty for datasets made otherwise."""
        try:
            return read_json_object(os.path.join(self.path, "manifest.json"))
        except InputError:
            return {}

    @property
    def ignore(self) -> int:
        """The label of pixels that belong to no class."""
        label = self.manifest.get("ignore_label")
        return label if isinstance(label, int) else IGNORE_LABEL

    @property
    def form(self) -> ImageForm:
        """What `create_lmdb` made of all images; nothing for datasets made otherwise."""
        channels, depth = self.manifest.get("channels"), self.manifest.get("depth")
        white = self.manifest.get("white")
        return ImageForm(
            channels if type(channels) is int and channels > 0 else None,
            depth if isinstance(depth, str) and depth in DEPTHS else None,
            float(white) if isinstance(white, (int, float)) and white > 0 else None,
        )

    @property
    def bands(self) -> tuple[int, ...] | None:
        """The channels to show as red, green and blue, counted from 1; None for the default."""
        bands = self.manifest.get("bands")
        if not isinstance(bands, list) or len(bands) != 3:
            return None
        return tuple(bands) if all(type(band) is int and band > 0 for band in bands) else None

    def has(self, split: str) -> bool:
        """Whether the folder has a split of that name."""
        return locate(self.path, split) is not None

    def split(self, name: str) -> SegmentationDataset:
        """The images and labels of a split, opened at the first call; `close` closes them.

        A folder that has no such split but holds images and labels itself is one dataset under any
        name. Raises `InputError` if there is neither.
        """
        if name not in self._open:
            self._open[name] = self._dataset(name)
        return self._open[name]

    def count(self, split: str) -> int:
        """The number of images of a split."""
        return len(self.split(split))

    def class_pixels(self, split: str) -> NDArray[np.int64] | None:
        """The pixels of each class as `create_lmdb` counted them; None if it did not."""
        counts = self._counted(split, "class_pixels")
        if not isinstance(counts, dict):
            return None
        names = list(counts) if self.names is None else self.names
        found = [counts.get(name, 0) for name in names]
        are_counts = all(type(n) is int and 0 <= n < 1 << 62 for n in found)
        return np.array(found, np.int64) if are_counts else None

    def ignored_pixels(self, split: str) -> int | None:
        """The pixels labelled `ignore` as `create_lmdb` counted them; None if it did not."""
        count = self._counted(split, "ignored_pixels")
        return count if isinstance(count, int) else None

    def close(self) -> None:
        """Close the splits; `split` opens them anew."""
        while self._open:
            self._open.popitem()[1].close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dataset(self, split: str) -> SegmentationDataset:
        location = locate(self.path, split) or locate(self.path)
        if location is None:
            raise InputError(
                f"{self.path}: expected {split}_db/features and {split}_db/labels (databases), or "
                f"{split}/images and {split}/labels (folders), found neither"
            )
        places, known = (location.images, location.labels), (self.names, self._palette)
        if location.kind == "folders":
            return FolderDataset(*places, *known, self._colours)
        depth = self.form.depth or "float32"
        ids = read_if_there(read_ids, self.path, f"{split}.txt")
        return LmdbDataset(*places, ids, *known, depth)

    def _counted(self, split: str, what: str) -> object:
        """An entry of a split in the manifest, which may be damaged; None if it is not there."""
        found: Any = self.manifest
        for key in ("splits", split, what):
            found = found.get(key) if isinstance(found, dict) else None
        return found


def open_dataset(
    path: str | os.PathLike[str], split: str, colours: NDArray[np.uint8] | None = None
) -> SegmentationDataset:
    """Open one split of a dataset folder; see `DatasetFolder`."""
    return DatasetFolder(path, colours).split(split)


class Location(NamedTuple):
    """Where the data of a split is."""

    kind: str  # "lmdb" or "folders"
    images: str  # path
    labels: str  # path


def locate(path: str | os.PathLike[str], split: str | None = None) -> Location | None:
    """Find a split below `path`; None if it is not there.

    Looks for `<split>_db/{features,labels}` and `<split>/{images,labels}`; without `split`, for
    `{features,labels}` and `{images,labels}` in `path` itself.
    """
    path = os.fspath(path)
    for kind, suffix, name in (("lmdb", "_db", "features"), ("folders", "", "images")):
        place = os.path.join(path, split + suffix) if split else path
        location = Location(kind, os.path.join(place, name), os.path.join(place, "labels"))
        if os.path.isdir(location.images) and os.path.isdir(location.labels):
            return location
    return None


def refuse_other_names(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` for a folder with sets that would be left out, or mixed, for their names.

    That is a validation set called `valid`, and sets as folders within `images` and `labels`.
    """
    path = os.fspath(path)
    if not os.path.isdir(os.path.join(path, "val")) and not os.path.isdir(path + "/val_db"):
        for name in _VALS:
            if locate(path, name) is not None:
                raise InputError(
                    f"{path}: its validation set is called {name}, expected val: rename the "
                    "folder, or let prepare_data write train and val"
                )
    if os.path.isdir(os.path.join(path, "train")):
        return  # which is read, and not what is beside it
    images, labels = os.path.join(path, "images"), os.path.join(path, "labels")
    for val in ("val", *_VALS):
        places = [os.path.join(kind, name) for kind in (images, labels) for name in ("train", val)]
        if all(map(os.path.isdir, places)):
            raise InputError(
                f"{path}: {places[0]} and {places[1]} seem to be sets, which would be mixed: let "
                "prepare_data write train and val, each with images and labels"
            )


def read_if_there(read: Callable[[str], T], folder: str | os.PathLike[str], name: str) -> T | None:
    """`read(folder/name)`, or None if there is no such file."""
    path = os.path.join(folder, name)
    return read(path) if os.path.exists(path) else None


def read_ids(path: str | os.PathLike[str]) -> list[str]:
    """Read `<split>.txt`: the names of the images in a database, one per line, in its order."""
    # File names need not be UTF-8, and may contain what splitlines() takes for a line break.
    with open_text(path, MOST_BYTES, errors="surrogateescape", newline="\n") as file:
        return file.read().rstrip("\n").split("\n")
