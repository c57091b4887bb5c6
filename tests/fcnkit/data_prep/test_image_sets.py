"""Lines of image sets: looked up as they stand, then without what tools write beside the id."""

import pytest
from voc_archive import voc_files, write_archive

from caffeformat import InputError
from fcnkit.data_prep import prepare_voc


def archive_of(tmp_path, ids, train, form="tar"):
    """An archive of the images `ids`, each of other bytes, and of the set `train` (bytes)."""
    root = "VOCdevkit/VOC2012"
    files = {f"{root}/ImageSets/Segmentation/train.txt": train}
    for id_ in ids:
        files[f"{root}/JPEGImages/{id_}.jpg"] = f"image {id_}".encode()
        files[f"{root}/SegmentationClass/{id_}.png"] = f"label {id_}".encode()
    return write_archive(form, tmp_path, files)


def prepared(tmp_path, tree, ids, train, form="tar"):
    """{id: content of its image} after preparation; images and labels must be the same."""
    archive = archive_of(tmp_path, ids, train, form)
    count = prepare_voc(archive, tmp_path / "out", sets=["train"])["train"]
    files = tree(tmp_path / "out")
    images = {k[13:-4]: v.decode() for k, v in files.items() if k.startswith("train/images/")}
    labels = {k[13:-4]: v.decode() for k, v in files.items() if k.startswith("train/labels/")}
    assert labels == {id_: text.replace("image", "label") for id_, text in images.items()}
    assert len(images) == count
    return images


@pytest.mark.parametrize("form", ["tar", "zip", "folder"])
@pytest.mark.parametrize(
    "ids, train",
    [
        (["photo", "photo (1)", "photo (2)"], "photo\nphoto (1)\nphoto (2)\n"),
        (["photo", "photo 1", "photo 0"], "photo 1\nphoto\nphoto 0\n"),
        (["photo 1"], "photo 1\n"),
        (["a.jpg", "a"], "a.jpg\na\n"),
        (["img(1)", "cam#2,left", "a&b"], "img(1)\ncam#2,left\na&b\n"),
        (["चित्र", "ภาพที่", "фото"], "चित्र\nภาพที่\nфото\n"),
        (["cam1/0001", "cam2/0001"], "cam1/0001\ncam2/0001\n"),
    ],
)
def test_a_line_is_looked_up_as_it_stands(tmp_path, tree, form, ids, train):
    images = prepared(tmp_path, tree, ids, train.encode(), form)
    assert images == {id_: f"image {id_}" for id_ in ids}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "train",
    [
        b"a  1\r\n\r\nb -1  \r\n",
        b"a.jpg\nb.JPG\n",
        b'"a"\n"b"\n',
        "\ufeffa\r\nb\r\n".encode(),
        "\ufeffa\r\nb\r\n".encode("utf-16-le"),
    ],
)
def test_columns_quotes_suffixes_and_marks_are_cut_off(tmp_path, tree, train, reverse):
    ids = ["b", "a", "c"] if reverse else ["a", "b", "c"]
    assert prepared(tmp_path, tree, ids, train) == {"a": "image a", "b": "image b"}


def test_accents_may_be_encoded_either_way(tmp_path, tree):
    composed, decomposed = "m\u00fcll", "mu\u0308ll"
    images = prepared(tmp_path, tree, [decomposed], f"{composed}\n".encode())
    assert images == {composed: f"image {decomposed}"}


def test_a_list_in_a_windows_code_page_is_read(tmp_path, tree):
    assert list(prepared(tmp_path, tree, ["m\u00fcll"], "m\u00fcll\r\n".encode("cp1252")))


def test_two_lines_that_mean_the_same_image_are_an_error(tmp_path):
    archive = archive_of(tmp_path, ["a", "b"], b"a\na 1\nb\n")
    with pytest.raises(InputError, match="'a' and 'a 1' both name the image 'a'"):
        prepare_voc(archive, tmp_path / "out", sets=["train"])


def test_a_line_that_means_no_image_is_named_as_it_stands(tmp_path):
    files = voc_files()
    sets = "VOCdevkit/VOC2012/ImageSets/Segmentation/"
    first = files[sets + "train.txt"].split()[0]
    files[sets + "train.txt"] = first + b"\n" + first + b" (1)\n"
    archive = write_archive("tar", tmp_path, files)
    with pytest.raises(InputError, match=r"JPEGImages/\S+ \(1\)"):
        prepare_voc(archive, tmp_path / "out", sets=["train"])
    assert not (tmp_path / "out").exists()
