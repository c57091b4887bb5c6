"""Reads datasets of images and labels, from folders or from pairs of LMDBs, through one class."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from caffeformat import InputError, datum_to_array, open_database, parse_datum
from fcnkit.images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    ImageForm,
    channels_last,
    distinct_palette,
    full_palette,
    open_image,
    palette_from_image,
    read_image,
    read_label,
    voc_palette,
)

from .stored_forms import form_of_datum, form_of_file, size_of_datum, size_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TypeVar

    from numpy.typing import NDArray
    from typing_extensions import Self

    T = TypeVar("T")


# Folders of archivers and of network storage; other folders that are no data begin with a dot.
_OF_SYSTEMS = ("__MACOSX", "@eaDir")


class Pair(NamedTuple):
    """An image and its label."""

    id: str  # path below the folder, without suffix; both share it
    image: str  # path
    label: str  # path, empty where there is none


def image_files(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Find the images in `folder` and below: dict of id -> path, sorted by id.

    An id is the path below `folder` without its suffix, with `/` on every system.
    Raises `InputError` if there is no such folder or two files share an id.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: expected a folder of images, there is none")
    found: dict[str, str] = {}
    for place, names in _walk(folder):
        for name in names:
            stem, suffix = os.path.splitext(name)
            if not _is_image(name, suffix):
                continue
            path = os.path.join(place, name)
            if "\n" in path[len(folder) :]:
                raise InputError(f"{path!r}: image names must not contain a line break")
            key = os.path.relpath(os.path.join(place, stem), folder).replace(os.sep, "/")
            if key in found:
                raise InputError(f"{path}: {found[key]} has the same name: remove one of them")
            found[key] = path
    return dict(sorted(found.items()))


def other_files(folder: str | os.PathLike[str]) -> list[str]:
    """The files in `folder` and below that `image_files` leaves out for their suffix, sorted.

    Paths below `folder`. Hidden files are not among them.
    """
    folder = os.fspath(folder)
    return sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, names in _walk(folder)
        for name in names
        if not name.startswith(".") and not _is_image(name, os.path.splitext(name)[1])
    )


def unread_pictures(folder: str | os.PathLike[str]) -> dict[str, str]:
    """The pictures in `folder` and below of kinds that are not read, by name, as `image_files`."""
    folder = os.fspath(folder)
    stems = (os.path.splitext(name) for name in other_files(folder))
    return {
        stem.replace(os.sep, "/"): os.path.join(folder, stem + suffix)
        for stem, suffix in stems
        if suffix.lower() in UNREAD_SUFFIXES
    }


def unread_kind(path: object) -> InputError:
    """The error for a picture of a kind that is not read."""
    return InputError(f"{path}: files of this kind are not read: convert it to PNG")


def _walk(folder: str) -> Iterator[tuple[str, list[str]]]:
    """(folder, names of its files) of `folder` and those below, but for what systems hide there.

    Jupyter's checkpoints and the previews of macOS and of network storage are images, too.
    """
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [
            name for name in folders if not name.startswith(".") and name not in _OF_SYSTEMS
        ]
        yield place, names


def _is_image(name: str, suffix: str) -> bool:
    # Scores, which inference saves beside masks, are arrays, too.
    is_hidden = name.startswith(".") or name.endswith("_scores.npz")
    return suffix.lower() in IMAGE_SUFFIXES and not is_hidden


def find_pairs(
    images: str | os.PathLike[str], labels: str | os.PathLike[str], extras: Iterable[str] = ()
) -> list[Pair]:
    """Pair the images and labels of two folders by name; the list is sorted by id.

    Images called `<name><extra>`, with one of the suffixes `extras`, need no label where there is
    an image `<name>`.
    Raises `InputError` naming an image without label or a label without image.
    """
    image_paths, label_paths = image_files(images), image_files(labels)
    for extra in extras:
        for key in [key for key in image_paths if key + extra in image_paths]:
            if key + extra not in label_paths:
                del image_paths[key + extra]
    for paths, others, folder, what in (
        (image_paths, label_paths, labels, "label"),
        (label_paths, image_paths, images, "image"),
    ):
        missing = [key for key in paths if key not in others]
        if missing:
            unread = unread_pictures(folder).get(missing[0])
            if unread is not None:
                raise unread_kind(unread)
            more = f", nor for {len(missing) - 1} others" if len(missing) > 1 else ""
            raise InputError(
                f"{paths[missing[0]]}: there is no {what} of that name in {os.fspath(folder)}{more}"
                ": both have to have one name, but for the suffix"
            )
    if not image_paths:
        unread = next(iter(unread_pictures(images).values()), None)
        if unread is not None:
            raise unread_kind(unread)
        raise InputError(f"{os.fspath(images)}: there are no images in it")
    return [Pair(key, image_paths[key], label_paths[key]) for key in image_paths]


class SegmentationDataset:
    """A sequence of images and labels: a `FolderDataset` or an `LmdbDataset`.

    Attributes: `ids` (one per image), `classes` (names, or None if unknown), `palette`
    (256 x 3 uint8 RGB), `has_labels`; without them `label` raises `InputError`.
    """

    has_labels: bool = True
    ids: list[str]
    classes: list[str] | None
    palette: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)

    def image(self, i: int, form: ImageForm | None = None) -> NDArray[Any]:
        """Image `i` as H x W x C uint8, uint16 or float32, RGB where it has three channels.

        With a `form` in that form; raises `InputError` where it cannot have it.
        """
        raise NotImplementedError

    def form(self, i: int) -> ImageForm:
        """The number of channels and the depth of image `i`, from its header."""
        raise NotImplementedError

    def size(self, i: int) -> tuple[int, int]:
        """The height and width of image `i`, from its header."""
        raise NotImplementedError

    def label(self, i: int) -> NDArray[np.uint8]:
        """Label `i` as H x W uint8 class indices, 255 = ignore."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the dataset's files; it cannot be used afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FolderDataset(SegmentationDataset):
    """A folder of images and one of labels, or None where there are none. `pairs` holds the paths.

    `colours` (N x 3 uint8) maps the colours of labels to classes. `palette` defaults to
    `colours`, then to the first label's own palette, then to VOC's. `ids` are those of the images
    to take, in their order (default: all, and each file needs its counterpart).
    """

    def __init__(
        self,
        images: str | os.PathLike[str],
        labels: str | os.PathLike[str] | None,
        classes: list[str] | None = None,
        palette: NDArray[np.uint8] | None = None,
        colours: NDArray[np.uint8] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.has_labels = labels is not None
        self.pairs = _pairs(images, labels, ids)
        self.ids = [pair.id for pair in self.pairs]
        self.classes = classes
        self.colours = colours
        if palette is None:
            palette = self._first_palette() if colours is None else full_palette(colours)
        self.palette = palette

    def _first_palette(self) -> NDArray[np.uint8]:
        if not self.has_labels:
            return default_palette(self.classes)
        with open_image(self.pairs[0].label) as image:
            if image.mode == "P":
                return palette_from_image(image, self.pairs[0].label)
        return default_palette(self.classes)

    def image(self, i: int, form: ImageForm | None = None) -> NDArray[Any]:
        return read_image(self.pairs[i].image, form=form)

    def form(self, i: int) -> ImageForm:
        return form_of_file(self.pairs[i].image)

    def size(self, i: int) -> tuple[int, int]:
        return size_of_file(self.pairs[i].image)

    def label(self, i: int) -> NDArray[np.uint8]:
        if not self.has_labels:
            raise _without_label(self.pairs[i].image)
        return read_label(self.pairs[i].label, self.colours)


def _pairs(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None,
    ids: Sequence[str] | None,
) -> list[Pair]:
    """The pairs of two folders, or images alone: all of them, or those of `ids`."""
    if labels is not None and ids is None:
        return find_pairs(images, labels)
    image_paths = image_files(images)
    label_paths = dict.fromkeys(image_paths, "") if labels is None else image_files(labels)
    found = []
    for key in image_paths if ids is None else ids:
        for paths, folder, what in (
            (image_paths, images, "image"),
            (label_paths, labels, "label"),
        ):
            if key not in paths:
                raise InputError(f"{os.fspath(folder or '')}: there is no {what} {key!r} in it")
        found.append(Pair(key, image_paths[key], label_paths[key]))
    if not found:
        raise InputError(f"{os.fspath(images)}: there are no images in it")
    return found


def _without_label(name: str) -> InputError:
    return InputError(f"{name}: there is no label for this image")


class LmdbDataset(SegmentationDataset):
    """A pair of databases as DIGITS writes them: `features` and `labels` with the same keys.

    `labels` is None where there are none. `ids` default to the keys; `depth` is "uint16" if floats
    in it stand for 16 bits. Raises `InputError` if the keys of the two differ.
    """

    def __init__(
        self,
        features: str | os.PathLike[str],
        labels: str | os.PathLike[str] | None,
        ids: Sequence[str] | None = None,
        classes: list[str] | None = None,
        palette: NDArray[np.uint8] | None = None,
        depth: str = "float32",
    ) -> None:
        self._depth = depth
        self._features = open_database(features)
        self._labels = None if labels is None else open_database(labels)
        self.has_labels = self._labels is not None
        self.keys = list(self._features.keys())
        if self._labels is not None and self.keys != list(self._labels.keys()):
            self.close()
            raise InputError(
                f"{os.fspath(labels or '')}: its keys differ from those of {os.fspath(features)}: "
                "the two do not belong together"
            )
        if ids is not None and len(ids) != len(self.keys):
            self.close()
            raise InputError(
                f"{os.fspath(features)}: holds {len(self.keys)} images, but the list of their "
                f"names has {len(ids)}"
            )
        self.ids = list(ids) if ids is not None else [_text(key) for key in self.keys]
        self.classes = classes
        self.palette = palette if palette is not None else default_palette(classes)

    def image(self, i: int, form: ImageForm | None = None) -> NDArray[Any]:
        name = f"image {self.ids[i]}"
        array = datum_to_array(parse_datum(self._features.get(self.keys[i]) or b"", name))
        if array.dtype != np.uint8 and self._depth == "uint16":
            array = array.astype(np.uint16)
        return (form or ImageForm()).fit(channels_last(array), name, len(array) in (2, 4))

    def form(self, i: int) -> ImageForm:
        value = self._features.get(self.keys[i]) or b""
        found = form_of_datum(value, f"image {self.ids[i]}")
        return found if found.depth == "uint8" else ImageForm(found.channels, self._depth)

    def size(self, i: int) -> tuple[int, int]:
        return size_of_datum(self._features.get(self.keys[i]) or b"", f"image {self.ids[i]}")

    def label(self, i: int) -> NDArray[np.uint8]:
        if self._labels is None:
            raise _without_label(f"image {self.ids[i]}")
        value = self._labels.get(self.keys[i]) or b""
        array = datum_to_array(parse_datum(value, f"label {self.ids[i]}"))
        if array.dtype != np.uint8:
            raise InputError(f"label {self.ids[i]}: expected bytes, found {array.dtype} values")
        if array.shape[0] != 1:
            raise InputError(
                f"label {self.ids[i]}: expected one channel of class indices, found {len(array)}: "
                f"make the database from paletted or grey labels"
            )
        return array[0]

    def close(self) -> None:
        self._features.close()
        if self._labels is not None:
            self._labels.close()


def default_palette(classes: Sequence[str] | None = None) -> NDArray[np.uint8]:
    """VOC's palette, or distinct colours if there are more than its 21 classes."""
    if classes is not None and len(classes) > 21:
        return distinct_palette(len(classes))
    return voc_palette()


def _text(key: bytes | str) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else key
