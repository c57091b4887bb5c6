"""Class names, tables and lists as exports bring them: right classes, or an error that says why."""

import io
import json
import zipfile

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
from fcnkit.data_prep import DataOptions, prepare_data, prepare_voc
from fcnkit.datasets import image_files
from fcnkit.images import read_colour_map, voc_class_names

COLOURS = [[0, 0, 0], [48, 112, 32], [176, 112, 32]]
IDS = [["im0", "im1"], ["im2", "im3"]]


def folders(label_of=label, **more):
    """Files of images and labels in two sets."""
    files, _ = two_sets("images/{set}/{id}.png", "labels/{set}/{id}.png", label_of=label_of)
    return {**files, **{name.replace("__", "."): text for name, text in more.items()}}


def check(tmp_path, meaning=(0, 1, 2)):
    for split, ids in zip(("train", "val"), IDS):
        check_pairs(tmp_path / "out" / split, ids, meaning)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id2label.json", '{"0": "_", "1": "red", "2": "blue"}'),
        ("classes.json", '["_", "red", "blue"]'),
        ("codes.txt", "_\nred\nblue\n"),
        ("data.yaml", "names: [_, red,\n  blue]\n"),
        ("class_dict_seg.csv", "name, r, g, b\n_, 9, 9, 9\nred, 48, 112, 32\nblue, 1, 2, 3\n"),
    ],
)
def test_lists_of_names_beside_indices(tmp_path, name, text):
    files = folders()
    files[name] = text
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names == ["_", "red", "blue"]
    check(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("class_mapping.csv", "class_name,class_color\n_,0 0 0\nred,48 112 32\nblue,176 112 32\n"),
        ("classes.json", '{"classes": [{"title": "_", "color": "#000000"}, {"title": "red", '
         '"color": "#307020"}, {"title": "blue", "color": "#B07020"}]}'),
        ("class_dict.csv", "id;name;r;g;b\n2;blue;176;112;32\n0;_;0;0;0\n1;red;48;112;32\n"),
        ("label_colors.csv", "_,0,0,0\nred,48,112,32\nblue,176,112,32\n"),
        ("dataset_meta.json", '{"labels": ["_", "red", "blue"], "label_map": {"1": "red", "0": "_",'
         ' "2": "blue"}, "segmentation_colors": [[0, 0, 0], [48, 112, 32], [176, 112, 32]]}'),
    ],
)  # fmt: skip
def test_tables_beside_colours(tmp_path, name, text):
    files = folders(lambda number: label(number, COLOURS))
    prepared, _ = prepare_export(tmp_path, {**files, name: text})
    assert prepared.names == ["_", "red", "blue"]
    check(tmp_path)


def test_tables_of_something_else_are_left_aside(tmp_path):
    files = folders()
    files["labels.csv"] = "id,label\n5,dog\n6,cat\n"
    files["class_info.csv"] = "name,r,g,b\nonly a name\n"
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names is None
    check(tmp_path)


def test_values_in_another_order_keep_their_meaning(tmp_path):
    files, _ = two_sets("{set}/{id}.png", "{set}/{id}_mask.png", ("train", "valid"))
    for split in ("train", "valid"):
        files[f"{split}/_classes.csv"] = "Pixel Value, Class\n2, blue\n0, _\n1, red\n"
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names == ["_", "red", "blue"]
    check(tmp_path)


def test_grey_labels_beside_ids_that_are_no_indices(tmp_path):
    """Neither lines nor colours: 1 is not the class in the second line."""
    files = folders()
    files["class_dict.csv"] = "id,name,r,g,b\n1,_,0,0,0\n2,red,48,112,32\n3,blue,176,112,32\n"
    with pytest.raises(InputError, match=r"grey value 1 .* not in the colour map"):
        prepare_export(tmp_path, files)


def test_lists_that_disagree_are_refused(tmp_path):
    files, _ = two_sets("{set}/images/{id}.png", "{set}/labels/{id}.png")
    files["train/classes.txt"] = "_\nred\nblue\n"
    files["val/classes.txt"] = "_\nblue\nred\n"
    with pytest.raises(InputError, match=r"lists other classes than .*train/classes\.txt"):
        prepare_export(tmp_path, files)


@pytest.mark.parametrize(
    ("categories", "words"),
    [
        (((1, "re\nd"), (2, "blue")), r"class 1 is called 're\\nd'"),
        (((1, ""), (2, "blue")), "class 1 is called ''"),
    ],
)
def test_names_that_a_list_cannot_hold(tmp_path, categories, words):
    files = {"a.json": coco_json({"im0.png": 0, "im1.png": 1}, categories)}
    files.update({f"im{number}.png": image(number) for number in (0, 1)})
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, files, val_percent=50)
    assert not (tmp_path / "out").exists()


def test_coco_sizes_may_be_floats_and_annotations_missing(tmp_path):
    text = coco_json({"im0.png": 0, "im1.png": 1}).replace('"width": 30', '"width": 30.0')
    files = {f"im{number}.png": image(number) for number in (0, 1)}
    prepare_export(tmp_path, {**files, "a.json": text}, val_percent=50)
    check_pairs(tmp_path / "out/train", ["im0"] if (tmp_path / "out/train/images/im0.png").exists()
                else ["im1"])  # fmt: skip
    empty = json.dumps({**json.loads(text), "annotations": []})
    with pytest.raises(InputError, match="has no annotations"):
        prepare_data(
            pack("folder", tmp_path / "empty", {**files, "a.json": empty}), tmp_path / "other"
        )


@pytest.mark.parametrize("ends", [("_sat", "_mask"), ("-rgb", "-label"), ("_photo", "_seg")])
def test_images_and_labels_in_one_folder_with_an_end_each(tmp_path, ends):
    files, _ = two_sets("{set}/{id}" + ends[0] + ".png", "{set}/{id}" + ends[1] + ".png")
    files["test/im9" + ends[0] + ".png"] = image(9)
    _, lines = prepare_export(tmp_path, files)
    assert any("1 images without label, such as test/im9" in line for line in lines)
    for split, ids in zip(("train", "val"), IDS):
        check_pairs(tmp_path / "out" / split, [id_ + ends[0] for id_ in ids])


def test_two_kinds_of_images_beside_one_label_are_no_pairs(tmp_path):
    files, _ = two_sets("{set}/{id}_sat.png", "{set}/{id}_mask.png")
    files.update({name.replace("_sat", "_depth"): files[name] for name in list(files)})
    with pytest.raises(InputError):
        prepare_export(tmp_path, files)


def test_a_list_of_validation_images_leaves_the_others_for_training(tmp_path):
    files = {}
    for number in range(4):
        files[f"images/im{number}.png"] = image(number)
        files[f"labels/im{number}_P.png"] = label(number)
    files["valid.txt"] = "im2.png\nim3.png\n"
    _, lines = prepare_export(tmp_path, files)
    assert any("2 pairs that the list does not name are for training" in line for line in lines)
    check(tmp_path)


def voc(train, val):
    files = {}
    for number in range(4):
        files[f"V/JPEGImages/im{number}.png"] = image(number)
        files[f"V/SegmentationClass/im{number}.png"] = label(number)
    files["V/ImageSets/Segmentation/train.txt"] = train
    files["V/ImageSets/Segmentation/val.txt"] = val
    return files


def test_images_for_training_and_validation_are_pointed_out(tmp_path):
    _, lines = prepare_export(tmp_path, voc("im0\nim1\nim2\n", "im2\nim3\n"))
    assert any("1 images are in train and in val, such as im2" in line for line in lines)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_lists_in_utf_16_without_a_mark(tmp_path, encoding):
    lists = ["./im0\r\nim1.png\r\n".encode(encoding), "im2\r\nim3\r\n".encode(encoding)]
    for prepare, out in ((prepare_voc, "voc"), (prepare_data, "out")):
        prepare(pack("folder", tmp_path / "source", voc(*lists)), tmp_path / out)
        for split, ids in zip(("train", "val"), IDS):
            check_pairs(tmp_path / out / split, ids)


@pytest.mark.parametrize(
    ("start", "kind"),
    [(b"(\xb5/\xfd", "Zstandard"), (b"7z\xbc\xaf'\x1c", "7-Zip"), (b"Rar!", "RAR")],
)
def test_other_archives_are_called_by_their_names(tmp_path, start, kind):
    (tmp_path / "export").write_bytes(start + bytes(600))
    with pytest.raises(InputError, match=f"is a {kind} archive, .* unpack it"):
        prepare_data(tmp_path / "export", tmp_path / "out")


def test_an_archive_within_is_named(tmp_path):
    inner = pack("zip", tmp_path / "inner", folders())
    for source in ("folder", "zip"):
        path = pack(source, tmp_path / "outer", {"x/VOC.zip": inner.read_bytes()})
        with pytest.raises(InputError, match=r"holds the archive x/VOC\.zip: unpack it"):
            prepare_data(path, tmp_path / "out")


def test_an_encrypted_archive_is_not_called_truncated(tmp_path):
    path = pack("zip", tmp_path / "source", folders())
    with zipfile.ZipFile(path) as archive:
        places = [info.header_offset for info in archive.infolist()]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place + 6] |= 1
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        data[place + 8] |= 1
        place = data.find(b"PK\x01\x02", place + 4)
    path.write_bytes(data)
    with pytest.raises(InputError, match="is encrypted: unpack the archive with its password"):
        prepare_data(path, tmp_path / "out")


def test_what_systems_hide_in_folders_is_no_image(tmp_path):
    files = {"a.png": image(0), "b/c.png": image(1)}
    for hidden in (".ipynb_checkpoints", "__MACOSX", "b/@eaDir", "b/.ipynb_checkpoints"):
        files[f"{hidden}/a-checkpoint.png"] = image(2)
    pack("folder", tmp_path / "images", files)
    assert list(image_files(tmp_path / "images")) == ["a", "b/c"]


def test_backups_of_editors_are_no_labels(tmp_path):
    prepare_export(tmp_path, {**folders(), "labels/train/im0.png~": b"x", "images/.#a.png": b"x"})
    check(tmp_path)


def test_what_is_no_index_is_no_silent_class(tmp_path):
    files = folders(**{"classes__txt": "_\nred\n"})
    with pytest.raises(InputError, match=r"label 2, .* 2 classes .*count from 1 to 2"):
        prepare_export(tmp_path, files)
    assert np.array_equal(np.unique(truth(0)), [0, 1, 2])


def test_options_name_what_no_image_shows(tmp_path):
    text = coco_json({"im0.png": 0})
    files = {"a.json": text, "im0.png": image(0)}
    source = pack("folder", tmp_path / "source", files)
    with pytest.raises(InputError, match="objects of the class 'blue'"):
        prepare_data(source, tmp_path / "out", DataOptions(classes=["_", "red"]))


@pytest.mark.parametrize(
    ("text", "colours"),
    [
        ("name,r,g,b\nblue,176,112,32\n_,0,0,0\nred,48,112,32\n", COLOURS),
        ("Pixel Value, Class\n0, _\n1, red\n2, blue\n", None),
        ("name,r,g,b\n_,9,9,9\nred,48,112,32\nblue,1,2,3\n", None),
    ],
)
def test_names_that_are_given_put_the_classes_of_a_table_in_order(tmp_path, text, colours):
    name = "_classes.csv" if text.startswith("Pixel") else "class_dict.csv"
    files = {**folders(lambda number: label(number, colours)), name: text}
    for names, meaning in ((["_", "red", "blue"], (0, 1, 2)), (["blue", "_", "red"], (1, 2, 0))):
        out = tmp_path / names[0]
        source = pack("folder", out / "source", files)
        prepared = prepare_data(source, out / "out", DataOptions(classes=names))
        assert prepared.names == names
        check(out, meaning)


def test_names_that_are_given_may_be_others_than_those_of_a_table(tmp_path):
    files = folders(lambda number: label(number, COLOURS))
    files["class_dict.csv"] = "name,r,g,b\n_,0,0,0\nred,48,112,32\nblue,176,112,32\n"
    prepared, _ = prepare_export(tmp_path, files, classes=["_", "rot", "blau"])
    assert prepared.names == ["_", "rot", "blau"]
    check(tmp_path)
    for names in (["rot", "_", "blue"], ["_", "red"], ["_", "red", "blue", "green"]):
        source = tmp_path / "source"
        with pytest.raises(InputError, match="lists the classes _, red, blue, and the class names"):
            prepare_data(source, tmp_path / "other", DataOptions(classes=names))


def test_an_unusual_name_of_a_table_does_not_stand_against_a_usual_one(tmp_path):
    files = folders(lambda number: label(number, COLOURS))
    files["class_dict.csv"] = "name,r,g,b\n_,0,0,0\nred,48,112,32\nblue,176,112,32\n"
    files["another_palette.csv"] = "name,r,g,b\nroad,1,1,1\ncar,2,2,2\n"
    prepared, _ = prepare_export(tmp_path, files)
    assert prepared.names == ["_", "red", "blue"]
    check(tmp_path)


def test_vocs_names_in_another_order_than_vocs_labels_are_refused(tmp_path):
    names = voc_class_names()
    files = voc("im0\nim1\n", "im2\nim3\n")
    assert prepare_export(tmp_path, files, classes=names)[0].names == names
    with pytest.raises(InputError, match="VOC's classes in another order"):
        prepare_data(tmp_path / "source", tmp_path / "x", DataOptions(classes=names[::-1]))


def test_names_in_another_order_than_a_list_beside_indices_are_refused(tmp_path):
    files = {**folders(), "classes.txt": "_\nred\nblue\n"}
    with pytest.raises(InputError, match=r"classes\.txt: .* in another order .*: _, red, blue"):
        prepare_export(tmp_path, files, classes=["_", "blue", "red"])
    source = tmp_path / "source"
    for number, names in enumerate((["_", "red", "blue"], ["_", "rot", "blau"])):
        out = tmp_path / str(number)
        assert prepare_data(source, out / "out", DataOptions(classes=names)).names == names
        check(out)


def test_grey_labels_that_may_hold_lines_or_colours_are_asked_for(tmp_path):
    text = "name,r,g,b\nblue,2,2,2\n_,0,0,0\nred,1,1,1\n"
    files = {**folders(), "class_dict.csv": text}
    with pytest.raises(InputError, match=r"its values \(0, 1, 2\) are both lines and grey values"):
        prepare_export(tmp_path, files)
    (tmp_path / "table.csv").write_text(text)
    colours = read_colour_map(tmp_path / "table.csv")
    prepare_data(tmp_path / "source", tmp_path / "out", DataOptions(colours=colours))
    check(tmp_path, (1, 2, 0))
    files["class_dict.csv"] = "name,r,g,b\n_,0,0,0\nred,1,1,1\nblue,2,2,2\n"
    source = pack("folder", tmp_path / "same", files)
    assert prepare_data(source, tmp_path / "other").names == ["_", "red", "blue"]


@pytest.mark.parametrize(
    ("background", "order"), [(0, (0, 1, 2)), (255, (0, 1, 2)), (0, (0, 2, 1))]
)
def test_pixels_to_ignore_may_be_black_in_palettes_of_a_tables_colours(tmp_path, background, order):
    def label_of(number):
        classes = np.asarray(order, np.uint8)[truth(number)]
        classes[0], classes[classes == 0] = 255, background
        shown, file = Image.fromarray(classes), io.BytesIO()
        shown.putpalette(np.array(COLOURS, np.uint8)[list(order)].tobytes() + bytes(759))
        shown.save(file, "PNG")
        return file.getvalue()

    table = {"labelmap.txt": "_:0,0,0::\nred:48,112,32::\nblue:176,112,32::\n"}
    files = {**folders(label_of), **table}
    if order != (0, 1, 2):  # indices that are no lines
        with pytest.raises(InputError, match="index 255, which is ignored elsewhere"):
            prepare_export(tmp_path, files)
        return
    prepare_export(tmp_path, files)
    for split, ids in zip(("train", "val"), IDS):
        check_pairs(tmp_path / "out" / split, ids, (background, 1, 2), ignored=[0])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_black_and_white_labels_have_the_colours_of_a_table(tmp_path, order):
    lines = ["_,0,0,0", "object,255,255,255"]
    files = folders(lambda number: encoded(np.where(truth(number), 255, 0).astype(np.uint8)))
    files["class_dict.csv"] = "\n".join(["name,r,g,b", *(lines[at] for at in order)])
    prepare_export(tmp_path, files)
    check(tmp_path, [order.index(0), order.index(1), order.index(1)])


def test_labels_of_several_pages_name_the_option(tmp_path):
    file = io.BytesIO()
    pages = [Image.fromarray(truth(number)) for number in (9, 0)]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    files = {"images/a.png": image(0), "labels/a.tif": file.getvalue()}
    with pytest.raises(InputError, match=r"a\.tif: holds 2 pages, .* page=2"):
        prepare_export(tmp_path, files, val_percent=0)
    source = pack("folder", tmp_path / "again", files)
    prepare_data(source, tmp_path / "out", DataOptions(val_percent=0, page=2))
    check_pairs(tmp_path / "out/train", ["a"])
