"""The layouts that `prepare_data` knows, in the order in which a source is held against them."""

from __future__ import annotations

import collections
import os
import re
from typing import TYPE_CHECKING

from caffeformat import InputError

from . import (
    beside,
    cityscapes,
    coco,
    fiftyone,
    folders,
    labelme,
    listed,
    supervisely,
    via,
    voc,
    yolo,
)
from .listed import split_by_lists

if TYPE_CHECKING:
    from types import ModuleType

    from .catalogue import Catalogue
    from .plan import DataOptions, Plan

# Each has a NAME and a `recognise(catalogue, options)`. Those that look at fewer, rarer names come
# first; folders of images and labels are what is left.
LAYOUTS: dict[str, ModuleType] = {
    "cityscapes": cityscapes,
    "voc": voc,
    "supervisely": supervisely,
    "fiftyone": fiftyone,
    "coco": coco,
    "labelme": labelme,
    "via": via,
    "lists": listed,
    "beside": beside,
    "folders": folders,
    "yolo": yolo,
}


# Exports that do not say which pixel of which image is of which class, and what to do.
_NOT_READ = {
    r".*_gt(?:Fine|Coarse)_polygons\.json": "Cityscapes' outlines: make labels of them with "
    "cityscapesScripts (createTrainIdLabelImgs), or for IDD with its public code",
    r".*\.geojson": "outlines as GeoJSON: export masks, or draw them into labels (rasterio's "
    "features.rasterize)",
    r"(?:.*/)?task-\d+-annotation-\d+-.*\.(?:png|npy)": "Label Studio's masks of single brush "
    "strokes, which do not name their images: export the project as COCO",
    r"(?:.*/)?label_names\.txt": "what labelme_json_to_dataset wrote, which numbers the classes "
    "image by image: prepare labelme's JSON files themselves",
    r"(?:.*/)?(?:labels|obj_train_data)/.*\.txt": "YOLO's labels as text without images of their "
    "names: pass the images, too, or export masks or COCO's JSON with polygons",
    r"(?:.*/)?Annotations/.*\.xml": "boxes or outlines as XML: export segmentation masks, or "
    "COCO's JSON with polygons",
    r"(?:.*/)?annotations\.xml": "CVAT's XML: export `Segmentation mask 1.1`, or COCO's JSON",
    r".*___(?:objects|pixel|fuse|save)\.(?:json|png)": "SuperAnnotate's export: export "
    "COCO's JSON from it",
    r"(?:.*/)?PixelLabelData(?:_\d+)?/.*": "labels of MATLAB's labeler, which gTruth.mat alone "
    "gives to images: copy them into a folder `labels`, under the names of their images",
    r"(?:.*/)?via[^/]*\.csv": "annotations of VIA as CSV: export them as JSON",
    r".*\.(?:nii|nii\.gz|dcm|mha|nrrd)": "volumes: save their slices as PNG, TIFF or .npy",
    r".*\.(?:tfrecords?|parquet|arrow|h5|hdf5|mat|ndjson|jsonl|manifest)": "files of other tools "
    "than images: save images and labels as PNG",
}

# The same, told by the keys at the top of JSON files; a list has none.
_NOT_READ_JSON = {
    ("items", "categories"): "Datumaro's own JSON: export VOC's segmentation masks with it, or "
    "COCO's JSON",
    ("item", "annotations"): "the JSON of Darwin (V7): export its semantic masks, or COCO's JSON",
    ("dataset", "image", "annotations"): "the JSON of Darwin (V7): export its semantic masks, or "
    "COCO's JSON",
    ("metadata", "instances"): "SuperAnnotate's export: export COCO's JSON from it",
    ("info", "objects"): "ISAT's JSON: convert it to COCO's or labelme's with ISAT",
    ("project", "file", "metadata"): "VIA 3's JSON: export COCO's JSON from it, or use VIA 2",
    ("name", "dataset"): "a release of Segments.ai: export its semantic masks with segments-ai "
    "(export_dataset)",
    ("label_classes", "images"): "Hasty's JSON: export COCO's JSON, or masks",
    ("images", "annotations", "categories"): "COCO's JSON of captions, keypoints or panoptic "
    "images: export `instances`, with polygons",
    (): "a JSON list of another tool (Label Studio, Labelbox): export COCO's JSON, or masks",
}


# The same, told by the header of tables.
_NOT_READ_TABLES = {
    "run lengths in a table: decode them into labels, one file per image": re.compile(
        r"[^\n]*\b(?:EncodedPixels|rle(?:_mask)?)\b", re.IGNORECASE
    ),
    "annotations of VIA as CSV: export them as JSON": re.compile(r"#?filename,file_size,file_attr"),
}

_UNREAD = "pictures of a kind that is not read: convert them to PNG, or photographs to JPEG"

_ARCHIVE = re.compile(r".*\.(?:zip|tar|tgz|tar\.\w+|7z|rar)", re.IGNORECASE)


def recognise(catalogue: Catalogue, options: DataOptions) -> Plan:
    """The plan of a source by the layout that it has, or that the options name.

    Raises `InputError`, which says what is there, if it has none of the layouts, or not that one.
    """
    if options.layout is not None and options.layout not in LAYOUTS:
        raise InputError(
            f"layout {options.layout!r}: expected one of {', '.join(LAYOUTS)}", option="layout"
        )
    chosen = LAYOUTS if options.layout is None else {options.layout: LAYOUTS[options.layout]}
    for layout in chosen.values():
        plan: Plan | None = layout.recognise(catalogue, options)
        if plan is not None:
            split_by_lists(catalogue, plan)
            if catalogue.unread:
                count, first = len(catalogue.unread), catalogue.unread[0].name
                plan.notes.append(f"{count} pictures of kinds that are not read, such as {first}")
            return plan
    if options.layout is None:
        _refuse_other_tools(catalogue)
    packed = catalogue.named(_ARCHIVE.fullmatch)
    if packed and not catalogue.images:
        raise InputError(
            f"{catalogue.source}: holds the archive {packed[0].name}: unpack it, and pass what is "
            "in it"
        )
    wanted = "any known layout" if options.layout is None else f"the layout {options.layout}"
    raise InputError(
        f"{catalogue.source}: is not in {wanted}; it has {_contents(catalogue)}: put images and "
        "labels of the same names into folders `images` and `labels`, or choose a layout with "
        "{option}",
        option="layout",
    )


def _refuse_other_tools(catalogue: Catalogue) -> None:
    """Raise `InputError` for an export that is known and not read."""
    found = [
        (words, catalogue.named(re.compile(pattern).fullmatch))
        for pattern, words in _NOT_READ.items()
    ]
    for keys, words in _NOT_READ_JSON.items():
        files = [
            file
            for file, own in catalogue.json_keys.items()
            if (set(keys) <= set(own) if keys else not own)
        ]
        found.append((words, files))
    two_bytes = [file for file, own in catalogue.json_keys.items() if "\0" in "".join(own)]
    found.insert(0, ("JSON in UTF-16: save it as UTF-8", two_bytes))
    tables = catalogue.named(lambda name: name.lower().endswith(".csv"))
    for words, header in _NOT_READ_TABLES.items():
        found.append((words, [file for file in tables if header.match(catalogue.text(file))]))
    found.append((_UNREAD, catalogue.unread))  # at last, as logos are among them
    for words, files in found:
        if files:
            what, _, remedy = words.partition(": ")
            raise InputError(f"{catalogue.source}: holds {what}, such as {files[0].name}: {remedy}")


def _contents(catalogue: Catalogue) -> str:
    """What a source holds, in one line: files by folder and suffix, the most frequent ones."""
    counted: collections.Counter[tuple[str, str]] = collections.Counter()
    for file in catalogue.files:
        suffix = os.path.splitext(file.name)[1].lower() or "(no suffix)"
        counted[file.folder, suffix] += 1
    if not counted:
        return "no files"
    some = [
        f"{count} {suffix} in {folder or 'its top folder'}"
        for (folder, suffix), count in counted.most_common(4)
    ]
    more = f" and {len(counted) - 4} other kinds" if len(counted) > 4 else ""
    return ", ".join(some) + more
