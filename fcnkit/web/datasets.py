"""Datasets as DIGITS hands them to extensions, and those that a data extension creates."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import flask
import numpy as np

from .extensions import Calling, title_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from .digits_stand_in.data_interface import DataIngestionInterface
    from .extensions import DataExtension

# Requested as DIGITS does; a preview shows only the first entries.
STAGES = ("train_db", "val_db")
ENTRIES = 4


class Entry(NamedTuple):
    """One encoded entry of a dataset."""

    image: NDArray[np.uint8]  # H x W x channels, RGB where it has three
    label: NDArray[np.uint8] | None  # H x W class indices, or None where it has no such label


class Dataset:
    """What an extension sees of a dataset job.

    `extension_userdata` is the dict that a data extension left, `extension_id` its id (None for a
    dataset from elsewhere), `shape` the (height, width, channels) of its images. `folder`, if any,
    holds `<stage>/features` and `<stage>/labels`.
    """

    def __init__(
        self,
        name: str,
        userdata: dict[str, Any],
        extension_id: str | None = None,
        folder: str | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self._name, self.extension_userdata = name, userdata
        self.extension_id, self._folder, self._shape = extension_id, folder, shape

    def name(self) -> str:
        """Return the name shown on the pages."""
        return self._name

    def get_feature_dims(self) -> tuple[int, ...] | None:
        """Return the (height, width, channels) of its images."""
        return self._shape

    def get_feature_db_path(self, stage: str) -> str:
        """Return the folder of a stage's image LMDB; raises `LookupError` where it has none."""
        return self._db_path(stage, "features")

    def get_label_db_path(self, stage: str) -> str:
        """Return the folder of a stage's label LMDB; raises `LookupError` where it has none."""
        return self._db_path(stage, "labels")

    def _db_path(self, stage: str, kind: str) -> str:
        path = os.path.join(self._folder or "", stage, kind)
        if not self._folder or not os.path.isdir(path):
            raise LookupError(f"{self._name} has no {kind} database for {stage}")
        return path


def userdata_of(names: Sequence[str] | None, palette: ArrayLike | None) -> dict[str, Any]:
    """Return class names and a palette (256 x 3 uint8) under the keys that extensions look up."""
    userdata: dict[str, Any] = {}
    if names:
        userdata["class_labels"] = list(names)
    if palette is not None:
        userdata["color_palette"] = [int(value) for value in np.asarray(palette).ravel()]
    return userdata


def create(extension: DataExtension, form_data: Mapping[str, Any]) -> Dataset:
    """Return the `Dataset` that a data extension makes from the values of its form."""
    with Calling(extension, "making a dataset"):
        userdata = kept(extension(**form_data).get_user_data())
    return Dataset(title_of(extension), userdata, extension.get_id())


def kept(userdata: dict[str, Any]) -> dict[str, Any]:
    """Return user data as after a job was saved and loaded: what cannot be pickled fails here."""
    restored: dict[str, Any] = pickle.loads(pickle.dumps(userdata, protocol=2))
    return restored


def stage_entries(
    extension: DataExtension, dataset: Dataset, stage: str, most: int = ENTRIES
) -> tuple[int, list[Entry]]:
    """Return (number of entries, the first `most` of them) of a stage.

    As in DIGITS, a new instance is made from the user data, and several threads call it.
    """
    with Calling(extension, f"reading {stage}"):
        instance = extension(**kept(dataset.extension_userdata))
        entries = list(instance.itemize_entries(stage))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            pairs = list(pool.map(instance.encode_entry, entries[:most]))
    return len(entries), [entry_of(*pair) for pair in pairs]


def inference_form(
    extension: DataExtension, dataset: Dataset
) -> tuple[DataIngestionInterface, Any | None]:
    """Return (an instance of the extension, its form for choosing what to test or None)."""
    userdata = dict(kept(dataset.extension_userdata), is_inference_db=True)
    with Calling(extension, "making its inference form"):
        instance = extension(**userdata)
        return instance, instance.get_inference_form()


def inference_html(extension: DataExtension, form: Any) -> str:
    """Return the inference form as HTML."""
    with Calling(extension, "showing its inference form"):
        template, context = extension.get_inference_template(form)
        return flask.render_template_string(template or "", **(context or {}))


def inference_entries(
    extension: DataExtension,
    instance: DataIngestionInterface,
    form_data: Mapping[str, Any],
    most: int,
) -> tuple[int, list[Entry]]:
    """Return (number of entries, the first `most` of them) that a filled inference form picks."""
    with Calling(extension, "reading what its inference form picked"):
        instance.userdata.update(form_data)
        job = Dataset("", kept(instance.get_user_data()))
    return stage_entries(extension, job, "test_db", most)


def entry_of(feature: ArrayLike, label: ArrayLike) -> Entry:
    """Return what an extension encoded, arrays of C x H x W, as an `Entry`."""
    feature, label = np.asarray(feature), np.asarray(label)
    indices = label[0].astype(np.uint8) if label.ndim == 3 and len(label) == 1 else None
    return Entry(np.ascontiguousarray(feature.transpose(1, 2, 0)).astype(np.uint8), indices)
