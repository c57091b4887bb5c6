"""FiftyOne's own format, `FiftyOneDataset`, in which its public samples come.

    samples.json     {"samples": [{"filepath": "data/x.jpg", "tags": ["train"],
                     "<field>": {"_cls": "Segmentation", "mask": ...} or with "mask_path", or
                     {"_cls": "Detections", "detections": [{"label", "bounding_box", "mask"}]}}]}
    metadata.json    {"default_mask_targets": {"1": "<class>"}, "mask_targets": {"<field>": ...}}

https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset. A mask is {"$binary":
{"base64": ...}}: an array of NumPy, packed by zlib. Those of detections fill their boxes, whose
corners are shares of the image; they are drawn in their order.
"""

from __future__ import annotations

import base64
import functools
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, whole_number
from fcnkit.images import IGNORE_LABEL

from . import shapes
from .catalogue import json_object
from .class_files import Classes, find_classes
from .folders import images_alone
from .listed import with_ids
from .objects import ObjectPainter, object_classes
from .pairing import SPLITS
from .places import FileIndex, Finder
from .plan import Item, Plan
from .tables import label_reader, npy_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from .catalogue import Catalogue, File
    from .plan import DataOptions

    Entry = Mapping[str, Any]

NAME = "FiftyOne's format"

_KINDS = ("Segmentation", "Detections")

# Bytes that one mask may unpack to.
_MOST = 256 << 20


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan | None:
    """The plan of a source with a samples.json of FiftyOne's; None for any other."""
    files = [
        file
        for file, keys in catalogue.json_keys.items()
        if "samples" in keys and file.name.rpartition("/")[2] == "samples.json"
    ]
    if len(files) != 1:
        return None
    file = files[0]
    samples = json_object(catalogue.read([file])[file], str(file)).get("samples")
    if not isinstance(samples, list) or not all(isinstance(entry, dict) for entry in samples):
        raise FormatError(str(file), "its samples are not a list of objects")
    field = _field(samples, str(file))
    found = sorted({str(entry["label"]) for sample in samples for entry in _objects(sample, field)})
    index, prefix = FileIndex(catalogue.photographs), f"{file.folder}/" if file.folder else ""
    finder = Finder(index, str(file), file.folder, of_labels=True)
    paths = {other.name: other for other in catalogue.images}
    plan = Plan(f"{NAME}: {file.name}, field {field}", {}, None)
    labels: list[File] = []
    empty: list[File] = []
    if found:
        classes = object_classes(found, options.classes, catalogue.source)
        painter = ObjectPainter(classes.background, options.overlap or "later")
        plan.names, plan.labels = classes.names, f"objects are drawn; {classes.words}"
        plan.remarks = painter.remarks
    for number, sample in enumerate(samples, 1):
        name = f"{file}: sample {number}"
        image = finder.find(str(sample.get("filepath")))
        if image is None:
            raise InputError(
                f"{name}: is of {sample.get('filepath')}, which is not there: export the media, "
                "too, or pass the folder or archive of the images with {option}",
                option="images",
            )
        value = sample.get(field)
        item = Item("", image)
        if found and isinstance(value, dict):
            objects = _objects(sample, field)
            numbered = [(classes.numbers[str(entry["label"])], entry) for entry in objects]
            if numbered or options.empty:
                item = item._replace(draw=functools.partial(_draw, numbered, painter, name))
        elif isinstance(value, dict) and value.get("mask"):
            item = item._replace(draw=functools.partial(_whole, value["mask"], name))
        elif isinstance(value, dict) and value.get("mask_path"):
            path = str(value["mask_path"])
            item = item._replace(label=paths.get(prefix + path) or paths.get(path))
            if item.label is None:
                raise InputError(f"{name}: its mask {path} is not there: export it, too")
            labels.append(item.label)
        if item.draw is None and item.label is None:
            empty.append(image)
            continue
        plan.sets.setdefault(_set_of(sample), []).append(item)
    plan.sets = {name: with_ids(items) for name, items in plan.sets.items()}
    if empty:
        more = "; with `empty` those without objects become background" if found else ""
        plan.notes.append(images_alone(empty, "") + more)
    if not found:
        listed = find_classes(catalogue, options)
        if listed.names is None:
            listed = Classes(listed.file, _targets(catalogue, file, field), listed.table)
        plan.names, plan.labels = listed.names, "class indices"
        if labels:
            plan.decode, plan.labels = label_reader(catalogue, options, listed, labels)
    return plan


def _field(samples: Sequence[Entry], name: str) -> str:
    """The field that holds the labels: the only one of its kind, or `ground_truth`."""
    fields = {
        key
        for sample in samples
        for key, value in sample.items()
        if isinstance(value, dict) and value.get("_cls") in _KINDS
    }
    if "ground_truth" in fields or len(fields) == 1:
        return "ground_truth" if "ground_truth" in fields else fields.pop()
    words = f"has labels in {', '.join(sorted(fields))}" if fields else "has no labels"
    raise FormatError(
        name, f"{words}: export one field with `Segmentation`, or `Detections` with masks"
    )


def _objects(sample: Entry, field: str) -> list[Entry]:
    """The detections of a sample, each with a label; none if it has a mask of all classes."""
    value = sample.get(field)
    found = value.get("detections") if isinstance(value, dict) else None
    entries = found if isinstance(found, list) else []
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("label")]


def _set_of(sample: Entry) -> str:
    """The set that the tags of a sample name, "" if they name none."""
    tags = sample.get("tags")
    known = tags if isinstance(tags, list) else []
    return next((str(tag) for tag in known if str(tag).lower() in SPLITS), "")


def _targets(catalogue: Catalogue, file: File, field: str) -> list[str] | None:
    """The class names that metadata.json gives to the values of masks; None without such."""
    path = f"{file.folder}/metadata.json".lstrip("/")
    beside = [other for other in catalogue.json_keys if other.name == path]
    if not beside:
        return None
    content = json_object(catalogue.read(beside)[beside[0]], str(beside[0]))
    of_fields = content.get("mask_targets")
    targets = of_fields.get(field) if isinstance(of_fields, dict) else None
    targets = targets or content.get("default_mask_targets")
    if not isinstance(targets, dict):
        return None
    named: dict[int, str] = {}
    for key, value in targets.items():
        index = whole_number(key)
        if index is None:
            return None
        if index != IGNORE_LABEL:
            named[index] = str(value)
    named.setdefault(0, "background")
    return [named[key] for key in sorted(named)] if max(named) == len(named) - 1 else None


def _array(mask: Any, name: str) -> NDArray[np.uint8]:
    """The H x W indices of a mask in JSON. Raises `InputError` with `name` for anything else."""
    binary = mask.get("$binary") if isinstance(mask, dict) else mask
    text: Any = binary.get("base64") if isinstance(binary, dict) else binary
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), _MOST)
    except (TypeError, ValueError, zlib.error) as error:
        raise InputError(f"{name}: its mask cannot be unpacked: {error}") from error
    return npy_label(data, f"{name}: its mask")


def _whole(mask: Any, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    classes = _array(mask, name)
    if classes.shape != size:
        raise InputError(
            f"{name}: its mask has {classes.shape[1]} x {classes.shape[0]} pixels, its image "
            f"{size[1]} x {size[0]}: scale the mask to the image before the export"
        )
    return classes


def _draw(
    objects: Sequence[tuple[int, Entry]], painter: ObjectPainter, name: str, size: tuple[int, int]
) -> NDArray[np.uint8]:
    masks = (
        (index, functools.partial(_mask, entry, f"{name}: detection {number}", size))
        for number, (index, entry) in enumerate(objects, 1)
    )
    return painter.draw(size, masks, name)


def _mask(entry: Entry, name: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    if not entry.get("mask"):
        raise InputError(
            f"{name}: is a box without a mask, or its mask is a file: export masks within "
            "samples.json, or COCO's format"
        )
    box = entry.get("bounding_box")
    if not isinstance(box, list) or len(box) != 4:
        raise InputError(f"{name}: expected a bounding_box of four numbers")
    (left, top), _ = shapes.points_of([box[:2], box[2:]], name)
    part = _array(entry["mask"], name) != 0
    whole: NDArray[np.bool_] = np.zeros(size, bool)
    x, y = max(0, round(left * size[1])), max(0, round(top * size[0]))
    place = whole[y : y + part.shape[0], x : x + part.shape[1]]
    place[:] = part[: place.shape[0], : place.shape[1]]
    return whole
