"""Datasets of the workbench: what their jobs left, kept open for the pages."""

from __future__ import annotations

import collections
import functools
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.data_prep import ImageRow, augmented_samples, read_image_table
from fcnkit.datasets import DatasetFolder, check_augmentation, locate
from fcnkit.files import read_json_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fcnkit.data_prep import AugmentedSample
    from fcnkit.images import ImageForm
    from fcnkit.jobs import Job

DATA, FINDINGS, TABLE = "data", "findings.json", "table.csv"
SPLITS = ("train", "val", "test")
_MOST = 4  # datasets that stay open
_MOST_FINDINGS = 64 << 20  # bytes
_MOST_PIXELS = 8_000_000  # of an augmented sample


class Facts(NamedTuple):
    """What the pages say about a dataset.

    names     class names, or None
    counts    number of images by split
    classes   rows of `check_dataset` summed over the splits: index, name, pixels, share, labels,
              weight
    sizes     (text, number of images), the commonest first
    problems  (split, problem, details)
    mean      of the training images, per channel (blue, green, red); or None
    ignored   share of the pixels that are ignored
    """

    names: Sequence[str] | None
    counts: Mapping[str, int]
    classes: Sequence[Mapping[str, Any]]
    sizes: Sequence[tuple[str, int]]
    problems: Sequence[tuple[str, str, Sequence[str]]]
    mean: Sequence[float] | None
    ignored: float


def folder_of(job: Job, job_folder: str) -> str:
    """Return the folder that holds a dataset job's data, which may not be there yet."""
    kept = job.settings.get("folder")
    return kept if isinstance(kept, str) and kept else os.path.join(job_folder, DATA)


class OpenDataset:
    """A dataset folder that several threads read, one at a time."""

    def __init__(self, folder: str, table: str | None, mark: object = None) -> None:
        self._folder, self._table, self.path = DatasetFolder(folder), table, folder
        self.mark = mark  # changes with its files
        self._lock = threading.Lock()
        self._known: dict[str, list[ImageRow | None]] = {}
        self._fine: dict[str, NDArray[np.bool_]] = {}
        self.orders: dict[tuple[str, int | None, str], list[int]] = {}  # of `explore`
        self._shares: dict[tuple[str, int], NDArray[np.float64]] = {}
        self.names = self._folder.names
        self.splits = [split for split in SPLITS if locate(folder, split)]
        if not self.splits and locate(folder):
            self.splits = ["train"]

    @functools.cached_property
    def palette(self) -> NDArray[np.uint8]:
        """256 x 3 uint8 RGB."""
        with self._lock:
            return self._folder.palette

    @functools.cached_property
    def manifest(self) -> dict[str, Any]:
        """What `create_lmdb` wrote about it."""
        return self._folder.manifest

    def ids(self, split: str) -> Sequence[str]:
        """Return the names of the images of a split."""
        with self._lock:
            return self._folder.split(split).ids

    def pair(self, split: str, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return (image to look at, label) of one entry; `InputError` where there is none."""
        image, label = self.pair_for(None, split, number)
        return viewable(image), label

    def pair_for(
        self, form: ImageForm | None, split: str, number: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Return (image in a network's form, or as it is stored, and its label)."""
        with self._lock:
            dataset = self._folder.split(split)
            if not 0 <= number < len(dataset):
                raise InputError(f"{split}: has {len(dataset)} images, no number {number}")
            return dataset.image(number, form), dataset.label(number)

    def augmented(
        self, split: str, options: Mapping[str, Any], count: int, seed: int
    ) -> list[AugmentedSample]:
        """Return images and labels as a net in training gets them, with what was drawn.

        `options` are those of SegmentationData.
        """
        mean = mean_of(self.manifest)
        with self._lock:
            bands = self._folder.bands
            return list(
                augmented_samples(
                    self._folder.split(split),
                    options,
                    count,
                    seed=seed,
                    mean=mean,
                    bands=bands,
                    most_pixels=_MOST_PIXELS,
                )
            )

    def check_augmentation(self, split: str, options: Mapping[str, Any]) -> None:
        """Raise `InputError` where an augmentation needs colours that the images do not have."""
        with self._lock:
            form = self._folder.split(split).form(0)
        check_augmentation(options, form.channels, "the dataset")

    def rows(self, split: str) -> list[ImageRow | None]:
        """Return what the table of images says of each entry of a split, None where nothing."""
        found = self._known.get(split)
        if found is None:
            by_part, by_id = self._rows
            ids = map(_text, self.ids(split))
            found = [by_part.get((split, id_)) or by_id.get(id_) for id_ in ids]
            self._known[split] = found
        return found

    def shares(self, split: str, index: int) -> NDArray[np.float64]:
        """Return the share of a class among the labelled pixels of each entry of a split."""
        key = (split, index)
        if key not in self._shares:
            self._shares[key] = np.array([share_of(row, index) or 0.0 for row in self.rows(split)])
        return self._shares[key]

    def is_fine(self, split: str) -> NDArray[np.bool_]:
        """Return for each entry of a split whether the check found nothing about it."""
        if split not in self._fine:
            fine = [not (row and row.problems) for row in self.rows(split)]
            self._fine[split] = np.array(fine, bool)
        return self._fine[split]

    @functools.cached_property
    def _rows(self) -> tuple[dict[tuple[str, str], ImageRow], dict[str, ImageRow]]:
        rows = read_image_table(self._table) if self._table else []
        # A check of images that were parted afterwards; other parts have images of the same names.
        whole = {row.id: row for row in rows if row.part not in SPLITS}
        return {(row.part, row.id): row for row in rows}, whole

    def close(self) -> None:
        """Close its files."""
        with self._lock:
            self._folder.close()


class OpenDatasets:
    """The datasets that were looked at last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: collections.OrderedDict[tuple[Any, ...], OpenDataset] = (
            collections.OrderedDict()
        )

    def get(self, folder: str, job_folder: str) -> OpenDataset:
        """Return the dataset in `folder`, with the table of images that its job made, if it did."""
        table: str | None = os.path.join(job_folder, TABLE)
        table = table if table and os.path.exists(table) else None
        marks = [_mark(path) for path in (folder, os.path.join(folder, "manifest.json"), table)]
        key = (folder, table, *marks)
        with self._lock:
            if key not in self._open:
                if not os.path.isdir(folder):
                    raise InputError(f"{folder}: the dataset is not there")
                self._open[key] = OpenDataset(folder, table, key)
            self._open.move_to_end(key)
            while len(self._open) > _MOST:
                self._open.popitem(last=False)[1].close()
            return self._open[key]

    def close(self) -> None:
        """Close all of them."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()


def read_findings(job_folder: str) -> dict[str, Any] | None:
    """Return what `check_dataset` found, by split; None where it has not yet."""
    path = os.path.join(job_folder, FINDINGS)
    try:
        found = os.stat(path)
        return _findings(path, found.st_mtime_ns, found.st_size)
    except (InputError, OSError):
        return None


@functools.lru_cache(maxsize=8)
def _findings(path: str, *mark: int) -> dict[str, Any]:
    """Return the findings in a file, which are not to be changed; `mark` changes with it."""
    found = read_json_object(path, _MOST_FINDINGS)
    return {part: each for part, each in found.items() if isinstance(each, dict)}


def facts(
    findings: Mapping[str, Any] | None,
    manifest: Mapping[str, Any],
    names: Sequence[str] | None = None,
) -> Facts:
    """Put together what is known about a dataset."""
    findings = findings or {}
    sizes: collections.Counter[str] = collections.Counter()
    classes: dict[int, dict[str, Any]] = {}
    problems = []
    for part, found in findings.items():
        sizes.update(found.get("sizes", {}))
        problems += [(part, name, texts) for name, texts in found.get("problems", {}).items()]
        for row in found.get("classes", ()):
            known = classes.setdefault(row["index"], {**row, "pixels": 0, "labels": 0})
            known["pixels"] += row["pixels"]
            known["labels"] += row["labels"]
    total = sum(row["pixels"] for row in classes.values())
    for row in classes.values():
        row["share"] = row["pixels"] / total if total else 0.0
    splits = manifest.get("splits", {})
    counts = {split: int(found.get("images", 0)) for split, found in splits.items()}
    counts = counts or {part: int(found.get("images", 0)) for part, found in findings.items()}
    shares = [found.get("ignored_share", 0.0) for found in findings.values()]
    return Facts(
        names or manifest.get("classes"),
        counts,
        [classes[index] for index in sorted(classes)],
        sizes.most_common(),
        problems,
        mean_of(manifest),
        sum(shares) / len(shares) if shares else 0.0,
    )


def mean_of(manifest: Mapping[str, Any]) -> list[float] | None:
    """Return the mean of each channel, BGR where there are three, or None where it is not known."""
    # Before there were other images than colour ones, it had this name only.
    mean = manifest.get("mean", manifest.get("mean_bgr"))
    return [float(value) for value in mean] if isinstance(mean, list) else None


def share_of(row: ImageRow | None, index: int | None) -> float | None:
    """Return the share of a class among an image's labelled pixels; None where it is not known."""
    if row is None or index is None or not 0 <= index < len(row.pixels):
        return None
    total = int(row.pixels.sum())
    return int(row.pixels[index]) / total if total else 0.0


def viewable(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image of any number of channels as H x W x 3 uint8: its first three, or grey."""
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] != 3:
        image = image[..., :3] if image.shape[2] > 3 else image[..., [0, 0, 0]]
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        scale = 255 / (high - low) if high > low else 0.0
        image = ((image.astype(np.float32) - low) * scale).astype(np.uint8)
    return np.ascontiguousarray(image)


def _mark(path: str | None) -> float:
    try:
        return os.stat(path).st_mtime if path else 0.0
    except OSError:
        return 0.0


def _text(id_: str) -> str:
    return id_.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
