"""Exports of annotation tools: each layout is recognised, and each label is its image's."""

import json

import numpy as np
import pytest
from labelled_data import (
    check_pairs,
    coco_json,
    encoded,
    image,
    label,
    labelme_json,
    pack,
    prepare_export,
    truth,
    two_sets,
)

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.data_prep import DataOptions, prepare_data
from fcnkit.images import read_label

COLOURS = [[0, 0, 0], [48, 112, 32], [176, 112, 32], [224, 224, 192]]
LABELMAP = "# label:color_rgb:parts:actions\nred:48,112,32::\n_:0,0,0::\nblue:176,112,32::\n"
FORMS = ["folder", "zip", "tar.gz"]


PLACES = {
    "by set": ("{set}/images/{id}.png", "{set}/labels/{id}.png"),
    "by kind": ("images/{set}/{id}.png", "masks/{set}/{id}.png"),
    "mmsegmentation": ("data/my/img_dir/{set}/{id}.png", "data/my/ann_dir/{set}/{id}.png"),
    "CamVid": ("CamVid/{set}/{id}.png", "CamVid/{set}_labels/{id}_L.png"),
    "SegNet": ("{set}/{id}.png", "{set}annot/{id}.png"),
    "ISIC": ("X_{set}_Input/ISIC_{id}.png", "X_{set}_GroundTruth/ISIC_{id}_segmentation.png"),
    "suffixes": ("image/{set}/{id}_rgb.png", "label/{set}/{id}_mask.png"),
    "prefixes": ("image/{set}/img_{id}.png", "label/{set}/lbl_{id}.png"),
    "beside": ("{set}/{id}.png", "{set}/{id}_mask.png"),
    "in capitals": ("Images/{set}/{id}.PNG", "Labels/{set}/{id}.PNG"),
    "by sample": ("{set}/{id}/images/{id}.png", "{set}/{id}/masks/{id}.png"),
    "numbers": ("images/{set}/7{id}9.png", "labels/{set}/7{id}9_v2.png"),
    "deep": ("images/{set}/a/b/{id}.png", "labels/{set}/a/b/{id}.png"),
}


@pytest.mark.parametrize("place", PLACES)
def test_orders_of_folders_and_names(tmp_path, place):
    files, ids = two_sets(*PLACES[place])
    prepare_export(tmp_path, files)
    for split, some in zip(("train", "val"), ids):
        names = {
            "ISIC": "ISIC_{}",
            "prefixes": "img_{}",
            "suffixes": "{}_rgb",
            "by sample": "{0}/{0}",
            "numbers": "7{}9",
            "deep": "a/b/{}",
        }
        check_pairs(tmp_path / "out" / split, [names.get(place, "{}").format(i) for i in some])


@pytest.mark.parametrize("sets", [("train", "valid"), ("training", "validation"), ("Train", "Val")])
@pytest.mark.parametrize("form", FORMS)
def test_sets_have_several_names(tmp_path, form, sets):
    files, ids = two_sets("images/{set}/{id}.png", "annotations/{set}/{id}.png", sets)
    prepared, _ = prepare_export(tmp_path, files, form)
    assert prepared.counts == {"train": 2, "val": 2}
    check_pairs(tmp_path / "out/train", ids[0])
    check_pairs(tmp_path / "out/val", ids[1])


YAML = {
    "indices": "path: x\nnames:\n  0: field\n  1: 'red'\n  2: two words  # most\nnc: 3\n",
    "dashes": "nc: 3\nnames:\n- field\n- red\n- two words\n",
    "one line": "names: ['field', red, \"two words\"]\ntrain: images/train\n",
}


@pytest.mark.parametrize("kind", [*YAML, "other"])
def test_names_of_ultralytics(tmp_path, kind):
    files, ids = two_sets("images/{set}/{id}.png", "masks/{set}/{id}.png")
    files["data.yaml"] = YAML.get(kind, "names:\n  1: a\n  7: b\n")
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names == (["field", "red", "two words"] if kind in YAML else None)
    check_pairs(tmp_path / "out/train", ids[0])


@pytest.mark.parametrize("form", FORMS)
def test_roboflow(tmp_path, form):
    table = "Pixel Value, Class\n0, background\n7, red\n9, blue"
    values = np.array([[0], [7], [9]])

    def masked(number):
        return encoded(values[truth(number), 0].astype(np.uint8))

    files, ids = two_sets(
        "{set}/{id}.rf.0a.png", "{set}/{id}.rf.0a_mask.png", ("train", "valid"), masked
    )
    files.update({"train/_classes.csv": table, "valid/_classes.csv": table})
    prepared, _ = prepare_export(tmp_path, files, form)
    assert prepared.names == ["background", "red", "blue"]
    for split, some in zip(("train", "val"), ids):
        check_pairs(tmp_path / "out" / split, [f"{id_}.rf.0a" for id_ in some])
    assert (tmp_path / "out/classes.txt").read_text() == "background\nred\nblue\n"


def test_tables_that_disagree_are_refused(tmp_path):
    files, _ = two_sets("{set}/{id}.png", "{set}/{id}_mask.png")
    files["train/_classes.csv"] = "Pixel Value, Class\n0, a\n1, b\n2, c"
    files["val/_classes.csv"] = "Pixel Value, Class\n0, a\n1, c\n2, b"
    with pytest.raises(InputError, match=r"val/_classes\.csv: lists other classes than .*train"):
        prepare_export(tmp_path, files)


@pytest.mark.parametrize("kind", ["colours", "lines"])
@pytest.mark.parametrize("name", ["class_dict.csv", "data/class_dict.csv"])
def test_class_dict(tmp_path, kind, name):
    made = {"colours": lambda n: label(n, COLOURS), "lines": label}[kind]
    files, ids = two_sets("data/{set}/{id}.png", "data/{set}_labels/{id}_L.png", label_of=made)
    files[name] = "name,r,g,b\nfield,0,0,0\nred,48,112,32\nblue,176,112,32\n"
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names == ["field", "red", "blue"]
    check_pairs(tmp_path / "out/train", ids[0])


def test_grey_labels_whose_values_are_colours_and_lines_are_looked_at_together(tmp_path):
    # An all-black label alone would be `_`, whose colour is black, and class 0 as a line.
    files, ids = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    files["labels/train/im0.png"] = encoded(np.zeros((20, 30), np.uint8))
    files["images/train/im0.png"] = encoded(np.full((20, 30, 3), 90, np.uint8))
    files["labelmap.txt"] = LABELMAP
    prepared, notes = prepare_export(tmp_path, files)
    assert prepared.names == ["red", "_", "blue"]
    assert any("lines of" in line for line in notes)
    check_pairs(tmp_path / "out/train", ids[0])


def test_a_value_past_the_names_is_named(tmp_path):
    files, _ = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    files["classes.txt"] = "background\nred\n"
    with pytest.raises(InputError, match=r"im\d\.png: label 2, but there are 2 classes"):
        prepare_export(tmp_path, files)


def test_cityscapes(tmp_path):
    def ids_label(number):
        return encoded(np.array([7, 24, 26], np.uint8)[truth(number)])

    at = "leftImg8bit/{set}/bonn/{id}_leftImg8bit.png"
    files, ids = two_sets(at, "gtFine/{set}/bonn/{id}_gtFine_labelIds.png", label_of=ids_label)
    for name in list(files):
        if "gtFine" in name:
            files[name.replace("labelIds", "instanceIds")] = label(0)
    prepared, _ = prepare_export(tmp_path, files)
    assert len(prepared.names) == 19 and prepared.names[11] == "person"
    for split, some in zip(("train", "val"), ids):
        names = [f"bonn/{id_}" for id_ in some]
        check_pairs(tmp_path / "out" / split, names, meaning=(0, 11, 13))


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_cityscapes_own_classes_may_be_given_in_any_order(tmp_path, kind):
    values = np.array([7, 24, 26] if kind == "labelIds" else [0, 11, 13], np.uint8)
    at = "leftImg8bit/{set}/bonn/{id}_leftImg8bit.png"
    files, ids = two_sets(
        at,
        "gtFine/{set}/bonn/{id}_gtFine_" + kind + ".png",
        label_of=lambda number: encoded(values[truth(number)]),
    )
    names = prepare_data(pack("folder", tmp_path / "source", files), tmp_path / "first").names
    for order in (names, names[::-1]):
        out = tmp_path / order[0]
        prepared = prepare_data(tmp_path / "source", out, DataOptions(classes=order))
        assert prepared.names == order
        meaning = [order.index(name) for name in ("road", "person", "car")]
        for split, some in zip(("train", "val"), ids):
            check_pairs(out / split, [f"bonn/{id_}" for id_ in some], meaning)


def test_cityscapes_train_ids_come_first(tmp_path):
    at = "leftImg8bit/{set}/bonn/{id}_leftImg8bit.png"
    files, ids = two_sets(at, "gtFine/{set}/bonn/{id}_gtFine_labelTrainIds.png")
    for name in list(files):
        if "gtFine" in name:
            files[name.replace("labelTrainIds", "labelIds")] = encoded(np.full((20, 30), 7, "u1"))
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", [f"bonn/{id_}" for id_ in ids[0]])


@pytest.mark.parametrize("separator", [" ", "\t", ","])
@pytest.mark.parametrize("root", ["/", "/SegNet/CamVid/", ""])
def test_lists_of_two_columns(tmp_path, root, separator):
    files, ids = two_sets("{set}/{id}.png", "{set}annot/{id}.png")
    for name in ("train", "val"):
        images = [file for file in files if file.startswith(f"{name}/")]
        pairs = [(root + i, root + i.replace(name, f"{name}annot", 1)) for i in images]
        files[f"{name}.txt"] = "".join(separator.join(pair) + "\r\n" for pair in pairs)
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.kind.startswith("lists")
    check_pairs(tmp_path / "out/train", ids[0])
    check_pairs(tmp_path / "out/val", ids[1])


def test_lists_of_one_name_are_sets_each(tmp_path):
    files, ids = two_sets("{set}/{id}.png", "{set}annot/{id}.png")
    pairs = [f"train/{id_}.png trainannot/{id_}.png\n" for id_ in ids[0]]
    files.update({"lists/train.txt": pairs[0], "train.txt": "".join(pairs[1:])})
    files["val.txt"] = "".join(f"val/{id_}.png valannot/{id_}.png\n" for id_ in ids[1])
    prepare_export(tmp_path, files, sets=["train.txt", "val"])
    check_pairs(tmp_path / "out/train", ids[0][1:])


def test_a_listed_image_that_is_elsewhere_is_not_taken(tmp_path):
    files = {"a/1.png": image(0), "b/2.png": image(1), "l/l1.png": label(0), "l/l2.png": label(1)}
    files["train.txt"] = "b/1.png l/l1.png\nb/2.png l/l2.png\n"
    with pytest.raises(InputError, match=r"train\.txt: names b/2\.png in line 2"):
        prepare_export(tmp_path, files)


@pytest.mark.parametrize("with_names", [False, True])
@pytest.mark.parametrize("path", ["im{}.png", "..\\pictures\\im{}.png", "C:\\me\\im{}.png"])
def test_labelme(tmp_path, path, with_names):
    files = {f"data/im{n}.json": labelme_json(n, path.format(n)) for n in range(4)}
    place = "pictures" if "pictures" in path else "data"
    files.update({f"{place}/im{n}.png": image(n) for n in range(5)})
    if with_names:
        files["labels.txt"] = "__ignore__\n_background_\nred\nblue\n"
    prepared, notes = prepare_export(tmp_path, files, val_percent=25)
    names = ["_background_", "red", "blue"] if with_names else ["background", "blue", "red"]
    assert prepared.names == names and prepared.counts == {"train": 3, "val": 1}
    assert any("1 images without label" in line for line in notes)
    for split in ("train", "val"):
        ids = [p.stem for p in (tmp_path / "out" / split / "images").iterdir()]
        check_pairs(tmp_path / "out" / split, ids, (0, 1, 2) if with_names else (0, 2, 1))


def test_labelme_with_images_inside(tmp_path):
    files = {f"im{n}.json": labelme_json(n, "gone.png", with_image=True) for n in range(3)}
    prepare_export(tmp_path, files, val_percent=0, classes=["background", "red", "blue"])
    check_pairs(tmp_path / "out/train", ["im0", "im1", "im2"])


def test_labelme_without_an_image_asks_for_it(tmp_path):
    with pytest.raises(
        InputError, match=r"im0\.json: names the image 'im0\.png'.*images="
    ) as error:
        prepare_export(tmp_path, {"im0.json": labelme_json(0, "im0.png")}, val_percent=0)
    assert "--images" in error.value.for_command_line()
    pack("folder", tmp_path / "apart", {"im0.png": image(0)})
    prepare_export(tmp_path, {}, val_percent=0, images=tmp_path / "apart")
    check_pairs(tmp_path / "out/train", ["im0"], (0, 2, 1))


COCO_PLACES = {
    "COCO": ("annotations/instances_{}2017.json", "{}2017/im{}.png", "im{}.png"),
    "Roboflow": ("{}/_annotations.coco.json", "{}/im{}.png", "im{}.png"),
    "CVAT": ("annotations/instances_{}.json", "images/{}/im{}.png", "im{}.png"),
    "my own": ("{}.json", "pictures/{}/im{}.png", "C:\\data\\im{}.png"),
    "the web": ("{}.json", "pictures/{}/im{}.png", "https://example.org/my%20data/im{}.png?w=9"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", COCO_PLACES)
def test_coco(tmp_path, form, place):
    json_at, image_at, name = COCO_PLACES[place]
    files = {}
    for first, split in enumerate(("train", "val")):
        numbers = 2 * first, 2 * first + 1
        files[json_at.format(split)] = coco_json({name.format(n): n for n in numbers})
        files.update({image_at.format(split, n): image(n) for n in numbers})
    prepared, _ = prepare_export(tmp_path, files, form)
    assert prepared.names == ["background", "red", "blue"]
    check_pairs(tmp_path / "out/train", ["im0", "im1"])
    check_pairs(tmp_path / "out/val", ["im2", "im3"])


def test_coco_of_one_file_and_images_apart(tmp_path):
    source = tmp_path / "result.json"
    categories = ((7, "red"), (3, "blue"))
    source.write_text(coco_json({f"images/im{n}.png": n for n in range(4)}, categories))
    pack("zip", tmp_path / "apart", {f"im{n}.png": image(n) for n in range(4)})
    options = DataOptions(images=tmp_path / "apart.zip", val_percent=25)
    prepared = prepare_data(source, tmp_path / "out", options)
    assert prepared.names == ["background", "blue", "red"]
    for split in ("train", "val"):
        ids = [p.stem for p in (tmp_path / "out" / split / "images").iterdir()]
        check_pairs(tmp_path / "out" / split, ids, (0, 2, 1))


def test_coco_leaves_out_roboflows_first_category_and_what_has_no_objects(tmp_path):
    content = json.loads(coco_json({"im0.png": 0}))
    content["categories"].insert(0, {"id": 0, "name": "things", "supercategory": "none"})
    for entry in content["categories"][1:]:
        entry["supercategory"] = "things"
    content["images"].append({"id": 9, "file_name": "im1.png", "width": 30, "height": 20})
    files = {"train/_annotations.coco.json": json.dumps(content)}
    files.update({f"train/im{n}.png": image(n) for n in range(2)})
    options = {"sets": ["train"], "val_percent": 0}
    prepared, notes = prepare_export(tmp_path, files, **options)
    assert prepared.names == ["background", "red", "blue"] and prepared.counts == {"train": 1}
    assert any("im1.png, left out" in line for line in notes)


@pytest.mark.parametrize("overlap, index", [(None, 255), ("ignore", 255), ("later", 2)])
def test_overlapping_objects(tmp_path, overlap, index):
    upper = [[0, 0, 30, 0, 30, 10, 0, 10]]
    objects = [
        {"id": key, "image_id": 1, "category_id": key, "segmentation": upper} for key in (1, 2)
    ]
    files = {"a.json": coco_json({"im0.png": 0}, annotations=objects), "im0.png": image(0)}
    _, notes = prepare_export(tmp_path, files, val_percent=0, overlap=overlap)
    found = read_label(tmp_path / "out/train/labels/im0.png")
    assert (found[:10] == index).all() and not found[10:].any()
    assert any("50.00% of all pixels are claimed by two classes" in line for line in notes)


def test_coco_boxes_are_no_masks(tmp_path):
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": []}]
    files = {"a.json": coco_json({"im0.png": 0}, annotations=boxes), "im0.png": image(0)}
    with pytest.raises(InputError, match=r"a\.json: its 1 annotations are boxes"):
        prepare_export(tmp_path, files)


def test_annotations_for_another_size_are_refused(tmp_path):
    files = {"a.json": coco_json({"im0.png": 0}), "im0.png": image(0, size=(30, 20))}
    with pytest.raises(InputError, match=r"annotations for 30 x 20 pixels.*20 x 30"):
        prepare_export(tmp_path, files, val_percent=0)


def test_a_contact_sheet_shows_the_first_pairs(tmp_path, capsys):
    files, _ = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png")
    source = pack("zip", tmp_path / "source", files)
    out, sheet = str(tmp_path / "out"), tmp_path / "sheet.png"
    assert main.main(["prepare_data", str(source), out, "--sheet", str(sheet)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Looking at {source}" and lines[-1] == "2 train, 2 val pairs"
    assert "    images/train/im0.png with labels/train/im0.png" in lines
    assert sheet.read_bytes().startswith(b"\x89PNG")
