"""Lists beside folders: they split what the folders do not, and tell two images of a name apart."""

import pytest
from labelled_data import check_pairs, coco_json, image, prepare_export, two_sets


@pytest.mark.parametrize("lines", ["{id}", "images/{id}.png", "/data/images/{id}.png", "{id}.png"])
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
