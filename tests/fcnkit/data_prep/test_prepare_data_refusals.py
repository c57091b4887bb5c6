"""Exports that leave something open: the error says what is there and what to pass."""

import io
import re

import numpy as np
import pytest
from labelled_data import (
    check_pairs,
    coco_json,
    encoded,
    image,
    label,
    pack,
    prepare_export,
    truth,
    two_sets,
)
from PIL import Image

from caffeformat import InputError

NOT_READ = {
    "Label Studio's masks": {"task-1-annotation-2-by-1-tag-Cat-0.png": label(0)},
    "YOLO's polygons, whose classes are numbers": {
        "images/a.png": image(0),
        "labels/a.txt": "0 .1 .1 .2 .2 .3 .1\n",
    },
    "Datumaro's own JSON, such as": {"a.json": '{"info": {}, "categories": {}, "items": []}'},
    "annotations of VIA as CSV": {"a.png": image(0), "via_region_data.csv": "filename\n"},
    "has no labels: export one field": {"data/a.png": image(0), "samples.json": '{"samples": []}'},
    "SuperAnnotate's export": {"a.png": image(0), "a.png___objects.json": "{}"},
    "labels of MATLAB's labeler": {"a.png": image(0), "PixelLabelData/Label_1.png": label(0)},
    "the JSON of Darwin": {"a.json": '{"item": {"name": "a"}, "annotations": [{"name": "b"}]}'},
    "JSON of Darwin .V7., such as b": {
        "b.json": '{"dataset": "d", "image": {}, "annotations": []}'
    },
    "SuperAnnotate's export, such as a.png.json": {
        "a.png": image(0),
        "a.png.json": '{"metadata": {}, "instances": []}',
    },
    "JSON in UTF-16, such as a.json": {
        "a.png": image(0),
        "a.json": '{"version": "5", "shapes": []}'.encode("utf-16"),
    },
    "ISAT's JSON": {"a.png": image(0), "a.json": '{"info": {}, "objects": []}'},
    "Hasty's JSON": {"a.png": image(0), "e.json": '{"label_classes": [], "images": [{}]}'},
    "VIA 3's JSON": {"a.png": image(0), "p.json": '{"project": {}, "file": {}, "metadata": {}}'},
    "annotations of VIA as CSV, such as notes.csv": {
        "a.png": image(0),
        "notes.csv": "#filename,file_size,file_attributes,region_count\n",
    },
    "Segments.ai": {"a.png": image(0), "r.json": '{"name": "v1", "dataset": {"name": "x"}}'},
    "files of other tools than images, such as a.manifest": {
        "a.png": image(0),
        "a.manifest": "{}\n",
    },
    "GeoJSON": {"a.png": image(0), "a.geojson": "{}", "logo.svg": b"x"},
    "Cityscapes' outlines": {
        "leftImg8bit/train/x/a_leftImg8bit.png": image(0),
        "gtFine/train/x/a_gtFine_polygons.json": '{"imgHeight": 20, "objects": []}',
    },
    "run lengths in a table, such as train.csv": {
        "train/a.png": image(0),
        "train.csv": "ImageId_ClassId,EncodedPixels\na.png_1,3 4\n",
    },
    "pictures of a kind that is not read, such as a.heic": {"a.heic": b"x"},
    "pictures of a kind that is not read, such as IMG.HEIC": {"IMG.HEIC": b"x"},
    "labels/a.png, and no images": {
        "logo.svg": b"x",
        "labels/a.png": label(0),
        "labels/b.png": label(1),
    },
    "labels/a.png, and images/a.heic is not": {"images/a.heic": b"x", "labels/a.png": label(0)},
    "images/b.HEIC: files of this kind are not read: convert": {
        "images/a.png": image(0),
        "images/b.HEIC": b"x",
        "labels/a.png": label(0),
        "labels/b.png": label(1),
    },
    "captions, keypoints or panoptic": {
        "panoptic_val.json": '{"images": [], "annotations": [], "categories": []}'
    },
    "a JSON list of another tool .* such as a.json: export COCO": {
        "a.png": image(0),
        "a.json": '[{"id": 1}]',
    },
    "1 .json in its top folder": {"a.png": image(0), "config.json": '{"lr": 0.1}'},
    "CVAT's XML": {"a.png": image(0), "annotations.xml": "<annotations/>"},
    "volumes, such as x.nii.gz: save their slices": {"x.nii.gz": b"x"},
    "files of other tools": {"train/x.parquet": b"PAR1"},
    "as XML": {"a.png": image(0), "Annotations/a.xml": "<annotation/>"},
    "2 .png in pictures": {"pictures/a.png": image(0), "pictures/b.png": image(1), "README": "x"},
    "no files": {".hidden": "x"},
}


@pytest.mark.parametrize("words", NOT_READ)
def test_what_is_not_read_says_what_it_is(tmp_path, words):
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, NOT_READ[words])


def test_pictures_that_are_not_read_are_noted(tmp_path):
    files, ids = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    files["images/train/other.avif"] = b"x"
    _, notes = prepare_export(tmp_path, files)
    note = "1 pictures of kinds that are not read, such as images/train/other.avif"
    assert note in notes
    check_pairs(tmp_path / "out/train", ids[0])


def test_what_options_cannot_be(tmp_path):
    files, _ = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    for options, words in (
        ({"layout": "cubes"}, "expected one of cityscapes"),
        ({"layout": "voc"}, "is not in the layout voc"),
        ({"val_percent": 100}, "expected 0 to 99"),
        ({"val_percent": 10}, r"has a set 'val' for validation: .*sets=\['train'\]"),
        ({"sets": ["a", "b", "c"]}, "expected one set, or two"),
        ({"sets": ["train", "gone"]}, "there is no set 'gone', it has `train`"),
        ({"sets": ["train"]}, "val_percent=10, the share"),
        ({"overlap": "earlier"}, "expected ignore or later"),
    ):
        with pytest.raises(InputError, match=words):
            prepare_export(tmp_path, files, **options)


def test_several_folders_of_labels_are_asked_for(tmp_path):
    files, ids = two_sets("images/{set}/{id}.png", "masks/{set}/{id}.png")
    files.update(
        {name.replace("masks", "labels"): c for name, c in files.items() if "masks" in name}
    )
    with pytest.raises(
        InputError, match=r"several folders .*, labels, masks.*label_folder='labels'"
    ):
        prepare_export(tmp_path, files)
    prepare_export(tmp_path, files, label_folder="masks")
    check_pairs(tmp_path / "out/train", ids[0])


def test_labels_in_colours_for_people_are_left_aside(tmp_path):
    files, ids = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    for name in list(files):
        if name.startswith("labels"):
            files[name.replace("labels", "labels_rgb")] = image(0)
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ids[0])


def test_images_apart_from_folders_of_labels(tmp_path):
    files, ids = two_sets("{set}/{id}.png", "masks/{set}/{id}.png")
    labels = {name: c for name, c in files.items() if name.startswith("masks")}
    apart = pack("zip", tmp_path / "photos", {n: c for n, c in files.items() if n not in labels})
    with pytest.raises(InputError, match=r"and no images.*images="):
        prepare_export(tmp_path, labels)
    prepare_export(tmp_path, {}, images=apart)
    check_pairs(tmp_path / "out/val", ids[1])


def test_what_looks_wrong_of_the_labels_is_noted_before_they_are_written_anew(tmp_path):
    files, _ = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    files["labels/train/im0.png"] = encoded((truth(0) * 100).astype(np.uint8), "JPEG")
    for number in (2, 3):
        paletted = Image.fromarray(truth(number))
        paletted.putpalette([0, 0, 0, 9 * number, 0, 0, 0, 9, 0])
        file = io.BytesIO()
        paletted.save(file, "PNG")
        files[f"labels/val/im{number}.png"] = file.getvalue()
    _, notes = prepare_export(tmp_path, files)
    assert any(re.match(r"train: lossy labels \(1 of 2 labels", line) for line in notes)
    assert any(re.match(r"val: another palette .*im3\.png\. If colours", line) for line in notes)


def test_names_that_differ_in_a_number_do_not_belong_together(tmp_path):
    files = {f"images/{number:04}.png": image(number) for number in range(1, 11)}
    files.update({f"labels/{number:04}.png": label(number) for number in range(2, 12)})
    with pytest.raises(InputError, match=r"labels/0011\.png: there is no image for this label"):
        prepare_export(tmp_path, files, val_percent=0)
    files = {f"images/a{number}.png": image(number) for number in range(4)}
    files.update({f"labels/a{number + 10}.png": label(number) for number in range(4)})
    with pytest.raises(InputError, match="there is no image for this label and 3 more"):
        prepare_export(tmp_path, files, "zip", val_percent=0)


def test_two_kinds_of_images_for_one_label_are_named(tmp_path):
    files = {f"images/s{n}_{side}.png": image(n) for n in range(3) for side in ("left", "right")}
    files.update({f"labels/s{n}_seg.png": label(n) for n in range(3)})
    with pytest.raises(InputError, match=r"s0_left\.png, images/s0_right\.png: keep one kind"):
        prepare_export(tmp_path, files)


def test_labels_that_have_the_name_of_an_image_are_not_taken_for_it(tmp_path):
    files = {
        "a.txt": "",
        "defaultannot/a.png": label(0),
        "default.txt": "/default/a.png /defaultannot/a.png\n",
    }
    options = {"sets": ["default"], "val_percent": 0}
    with pytest.raises(InputError, match=r"names /default/a\.png in line 1.*images="):
        prepare_export(tmp_path, files, **options)
    apart = pack("zip", tmp_path / "photos", {"mine/a.png": image(0)})
    prepare_export(tmp_path, files, images=apart, **options)
    check_pairs(tmp_path / "out/train", ["a"])
    files = {"x/a.json": coco_json({"a.png": 0}), "x/masks/a.png": label(0)}
    with pytest.raises(InputError, match=r"names the image a\.png, which is not there.*images="):
        prepare_export(tmp_path / "coco", files, val_percent=0)
