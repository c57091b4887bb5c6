import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError, LmdbWriter, array_to_datum
from fcnkit.datasets import FolderDataset, find_pairs, image_files, locate, open_dataset
from fcnkit.datasets.reading import LmdbDataset
from fcnkit.images import ImageForm, format_palette, voc_palette, write_label

PHOTO = np.random.RandomState(0).randint(0, 256, (4, 6, 3)).astype(np.uint8)
CLASSES = np.array([[0, 1, 2, 3, 4, 255]] * 4, np.uint8)


def make_folders(folder, names):
    for name in names:
        for kind in ("images", "labels"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PHOTO).save(folder / "images" / f"{name}.png")
        write_label(folder / "labels" / f"{name}.png", CLASSES, voc_palette())


def make_database(path, arrays, first=0):
    with LmdbWriter(path) as writer:
        for i, array in enumerate(arrays, first):
            writer.put(b"%09d" % i, array_to_datum(array).SerializeToString())


def test_pairs_go_by_name_in_order_at_any_depth(tmp_path):
    make_folders(tmp_path, ["b", "a/2", "a/10"])
    (tmp_path / "images" / "notes.txt").write_text("no image")
    (tmp_path / "images" / ".hidden.png").write_text("no image")
    pairs = find_pairs(tmp_path / "images", tmp_path / "labels")
    assert [pair.id for pair in pairs] == ["a/10", "a/2", "b"]
    assert pairs[0].image.endswith("images/a/10.png") and "labels" in pairs[0].label


@pytest.mark.parametrize(("kind", "other"), [("images", "labels"), ("labels", "images")])
def test_kinds_that_are_not_read_are_not_called_missing(tmp_path, kind, other):
    make_folders(tmp_path, ["a", "b/c"])
    path = tmp_path / kind / "b/c.png"
    path.rename(path.with_suffix(".HEIC"))
    words = rf"{kind}/b/c\.HEIC: files of this kind are not read: convert it"
    with pytest.raises(InputError, match=words):
        find_pairs(tmp_path / "images", tmp_path / "labels")
    (tmp_path / other / "b/c.png").unlink()
    (tmp_path / "images/a.png").rename(tmp_path / "images/a.jp2")
    (tmp_path / "labels/a.png").unlink()
    with pytest.raises(InputError, match="not read" if kind == "images" else "a.jp2|no images"):
        find_pairs(tmp_path / "images", tmp_path / "labels")


def test_two_files_of_one_name_are_an_error(tmp_path):
    make_folders(tmp_path, ["a"])
    Image.fromarray(PHOTO).save(tmp_path / "images" / "a.jpg")
    with pytest.raises(InputError, match="the same name"):
        image_files(tmp_path / "images")


def test_empty_and_missing_folders_are_named(tmp_path):
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    with pytest.raises(InputError, match=r"images: there are no images"):
        find_pairs(tmp_path / "images", tmp_path / "labels")
    with pytest.raises(InputError, match=r"absent: expected a folder"):
        find_pairs(tmp_path / "images", tmp_path / "absent")


def test_folders_give_images_labels_classes_and_palette(tmp_path):
    make_folders(tmp_path / "train", ["a", "b"])
    (tmp_path / "classes.txt").write_text("zero\none\ntwo\nthree\nfour\n")
    with open_dataset(tmp_path, "train") as dataset:
        assert len(dataset) == 2 and dataset.ids == ["a", "b"]
        assert np.array_equal(dataset.image(1), PHOTO)
        assert np.array_equal(dataset.label(1), CLASSES)
        assert dataset.classes[4] == "four"
        assert np.array_equal(dataset.palette, voc_palette())
    colours = voc_palette()[::-1]
    (tmp_path / "palette.txt").write_text(format_palette(colours))
    assert np.array_equal(open_dataset(tmp_path, "train").palette, colours)


def test_rgb_labels_are_read_through_colours(tmp_path):
    make_folders(tmp_path, ["a"])
    Image.fromarray(voc_palette()[CLASSES]).save(tmp_path / "labels" / "a.png")
    dataset = FolderDataset(tmp_path / "images", tmp_path / "labels", colours=voc_palette())
    assert np.array_equal(dataset.label(0), CLASSES)


def test_databases_give_images_and_labels(tmp_path):
    make_database(tmp_path / "features", [PHOTO[..., ::-1].transpose(2, 0, 1), PHOTO[None, ..., 0]])
    make_database(tmp_path / "labels", [CLASSES[None]] * 2)
    with open_dataset(tmp_path, "val") as dataset:
        assert dataset.ids == ["000000000", "000000001"]
        assert np.array_equal(dataset.image(0), PHOTO)
        assert np.array_equal(dataset.image(1), PHOTO[..., :1])
        colour = dataset.image(1, ImageForm(3))
        assert np.array_equal(colour, PHOTO[..., :1].repeat(3, axis=2))
        assert [dataset.form(i).channels for i in range(2)] == [3, 1]
        assert np.array_equal(dataset.label(1), CLASSES)
        assert dataset.image(0).flags.c_contiguous


def test_databases_that_do_not_fit_are_refused(tmp_path):
    make_database(tmp_path / "features", [PHOTO.transpose(2, 0, 1)] * 2)
    make_database(tmp_path / "other", [CLASSES[None]] * 2, first=1)
    with pytest.raises(InputError, match="do not belong together"):
        LmdbDataset(tmp_path / "features", tmp_path / "other")
    make_database(tmp_path / "labels", [PHOTO.transpose(2, 0, 1), CLASSES[None].astype(float)])
    with pytest.raises(InputError, match="holds 2 images"):
        LmdbDataset(tmp_path / "features", tmp_path / "labels", ids=["a"])
    with LmdbDataset(tmp_path / "features", tmp_path / "labels", ids=["a", "b"]) as dataset:
        with pytest.raises(InputError, match=r"label a: expected one channel.*found 3"):
            dataset.label(0)
        with pytest.raises(InputError, match=r"b: expected bytes"):
            dataset.label(1)


def test_databases_come_before_folders_and_splits_before_the_whole(tmp_path):
    make_folders(tmp_path, ["whole"])
    assert locate(tmp_path, "train") is None and locate(tmp_path).kind == "folders"
    assert open_dataset(tmp_path, "train").ids == ["whole"]
    make_folders(tmp_path / "train", ["split"])
    assert open_dataset(tmp_path, "train").ids == ["split"]
    make_database(tmp_path / "train_db" / "features", [PHOTO.transpose(2, 0, 1)])
    make_database(tmp_path / "train_db" / "labels", [CLASSES[None]])
    assert locate(tmp_path, "train").kind == "lmdb"
    with pytest.raises(InputError, match="found neither"):
        open_dataset(tmp_path / "absent", "train")
