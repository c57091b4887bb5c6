"""Lists beside folders: they split what the folders do not, and tell two images of a name apart."""

import pytest
from labelled_data import check_pairs, coco_json, image, prepare_export, two_sets

LINES = [
    "{id}",
    "images/{id}.png",
    "/data/images/{id}.png",
    "../images/{id}.png",
    "{id}.png",
    r"images\{id}.png",
    r"C:\data\images\{id}.png",
    r'".\images\{id}.png"',
]


@pytest.mark.parametrize("lines", LINES)
@pytest.mark.parametrize("names", [("train", "val"), ("train_list", "valid_list")])
def test_lists_beside_folders_without_sets_split_them(tmp_path, names, lines):
    files, ids = two_sets("images/{id}.png", "labels/{id}.png")
    for name, some in zip(names, ids):
        files[f"lists/{name}.txt"] = "".join(lines.format(id=id_) + "\r\n" for id_ in some)
    files["notes.txt"] = "train on these"
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ids[0])
    check_pairs(tmp_path / "out/val", ids[1])


def test_lists_of_two_columns_beside_vocs_folders(tmp_path):
    files, ids = two_sets("JPEGImages/{id}.png", "SegmentationClass/{id}.png")
    for name, some in zip(("train", "val"), ids):
        pairs = [f"JPEGImages/{id_}.png SegmentationClass/{id_}.png\n" for id_ in some]
        files[f"{name}_list.txt"] = "".join(pairs)
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/val", ids[1])


def test_images_of_one_name_in_two_sets(tmp_path):
    files = {}
    for number, split in enumerate(("train", "val")):
        files[f"annotations/instances_{split}2017.json"] = coco_json({"a.png": number})
        files[f"images/{split}2017/a.png"] = image(number)
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["a"])
    check_pairs(tmp_path / "out/val", ["a"])


def test_a_list_may_name_images_without_labels_and_leave_pairs_out(tmp_path):
    files, ids = two_sets("images/{id}.png", "labels/{id}.png")
    files["train.txt"] = f"{ids[0][0]}\n{ids[0][1]}\ngone\n"
    files["val.txt"] = f"{ids[1][0]}\n"
    _, notes = prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ids[0])
    check_pairs(tmp_path / "out/val", ids[1][:1])
    assert "train.txt: 1 of its 3 lines have no pair" in notes
    assert "1 pairs are in none of the lists" in notes


@pytest.mark.parametrize(
    ("suffix", "lines"), [("txt", "'{id}',"), ("lst", "{id}"), ("csv", "{id}")]
)
def test_lists_that_are_not_used_are_noted(tmp_path, suffix, lines):
    """A split drawn in their place would put images of theirs for validation into training."""
    files, ids = two_sets("images/{id}.png", "labels/{id}.png")
    for name, some in zip(("train", "val"), ids):
        files[f"{name}.{suffix}"] = "".join(lines.format(id=id_) + "\n" for id_ in some)
    files[f"labels/{ids[0][0]}_train.txt"] = ""
    _, notes = prepare_export(tmp_path, files, val_percent=50)
    assert f"not used as lists of images: train.{suffix}, val.{suffix}" in "\n".join(notes)


def test_a_plainly_named_list_comes_first(tmp_path):
    files, ids = two_sets("images/{id}.png", "labels/{id}.png")
    files["lists/train.txt"], files["lists/val.txt"] = "\n".join(ids[0]), "\n".join(ids[1])
    files["lists/a_train.txt"] = ids[0][0]
    _, notes = prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ids[0])
    assert "not used as lists of images: lists/a_train.txt" in "\n".join(notes)


def test_vocs_lists_may_part_folders_as_windows_does(tmp_path):
    files, ids = two_sets("JPEGImages/x/{id}.png", "SegmentationClass/x/{id}.png")
    for name, some in zip(("train", "val"), ids):
        lines = "".join(f"x\\{id_}.png\r\n" for id_ in some)
        files[f"ImageSets/Segmentation/{name}.txt"] = lines
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/val/", [f"x/{id_}" for id_ in ids[1]])
