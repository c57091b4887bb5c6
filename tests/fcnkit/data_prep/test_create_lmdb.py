import io
import json
import shutil

import numpy as np
import pytest
from lmdb_folders import build, datums, make_folders, photo
from PIL import Image
from voc_archive import IDS, encoded

from caffeformat import InputError, datum_to_array, read_blob
from fcnkit.commands import main
from fcnkit.data_prep import create_lmdb, find_splits, split_pairs
from fcnkit.data_prep.lmdb import encoding
from fcnkit.datasets import find_pairs, open_dataset
from fcnkit.images import (
    format_palette,
    read_label,
    read_palette,
    read_rgb,
    voc_class_names,
    voc_palette,
    write_label,
)


def test_layout_is_that_of_digits(voc_folders, tmp_path):
    out = tmp_path / "db"
    build(voc_folders, out, classes=voc_class_names())
    for split, ids in IDS.items():
        features = datums(out / f"{split}_db" / "features")
        labels = datums(out / f"{split}_db" / "labels")
        for id_, feature, label in zip(ids, features, labels):
            photo = read_rgb(voc_folders / split / "images" / f"{id_}.jpg")
            classes = read_label(voc_folders / split / "labels" / f"{id_}.png")
            assert (feature.channels, feature.height, feature.width) == (3, *photo.shape[:2])
            assert (label.channels, label.height, label.width) == (1, *classes.shape)
            for datum in (feature, label):
                assert datum.encoded and datum.HasField("label") and datum.label == 0
                assert datum.data.startswith(b"\x89PNG")
            assert np.array_equal(datum_to_array(feature)[::-1].transpose(1, 2, 0), photo)
            assert np.array_equal(datum_to_array(label)[0], classes)
        assert (out / f"{split}.txt").read_text().split() == ids
    assert (out / "classes.txt").read_text().split("\n")[:2] == ["background", "aeroplane"]
    assert np.array_equal(read_palette(out / "palette.txt"), voc_palette())


def test_dataset_reads_back_what_the_folders_hold(voc_folders, tmp_path):
    build(voc_folders, tmp_path / "db", classes=voc_class_names())
    folder = open_dataset(voc_folders, "train")
    with open_dataset(tmp_path / "db", "train") as lmdb:
        assert lmdb.ids == folder.ids == IDS["train"]
        assert lmdb.classes == voc_class_names()
        for i in range(len(folder)):
            assert np.array_equal(lmdb.image(i), folder.image(i))
            assert np.array_equal(lmdb.label(i), folder.label(i))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["png", "jpeg", "raw"])
def test_bytes_do_not_depend_on_the_number_of_workers(voc_folders, tmp_path, tree, encoding):
    trees = []
    for workers in (1, 2, 3):
        out = tmp_path / f"db{workers}"
        build(voc_folders, out, encoding=encoding, workers=workers, shuffle_seed=3)
        trees.append(tree(out))
    assert trees[0] == trees[1] == trees[2]
    assert "train_db/features/data.mdb" in trees[0]


def test_jpeg_bytes_pass_through(voc_folders, tmp_path):
    build(voc_folders, tmp_path / "db", encoding="jpeg")
    for id_, datum in zip(IDS["train"], datums(tmp_path / "db" / "train_db" / "features")):
        assert datum.data == (voc_folders / "train" / "images" / f"{id_}.jpg").read_bytes()


def test_png_bytes_pass_through_if_decoders_agree_on_them(tmp_path):
    plain = encoded(photo(), "PNG")
    grey = encoded(photo()[..., 0], "PNG")
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "PNG", transparency=(1, 2, 3))
    folder = make_folders(tmp_path / "in", [plain, file.getvalue()], [np.zeros((10, 20))] * 2)
    build(folder, tmp_path / "db")
    first, second = datums(tmp_path / "db" / "train_db" / "features")
    assert first.data == plain
    assert second.data != file.getvalue()
    assert np.array_equal(datum_to_array(second)[::-1].transpose(1, 2, 0), photo())
    build(make_folders(tmp_path / "in1", [grey], [np.zeros((10, 20))]), tmp_path / "db1")
    (third,) = datums(tmp_path / "db1" / "train_db" / "features")
    assert third.data == grey and third.channels == 1


def turned_photo(size, orientation=6, kind="JPEG"):
    """An image file that is shown with a red block at the top left, and what is shown."""
    shown = np.zeros((size[1], size[0], 3), np.uint8)
    shown[:8, :16] = 255, 0, 0
    undo = {1: None, 3: Image.ROTATE_180, 6: Image.ROTATE_90, 8: Image.ROTATE_270}[orientation]
    image, exif, file = Image.fromarray(shown), Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    (image if undo is None else image.transpose(undo)).save(file, kind, exif=exif, quality=95)
    return file.getvalue(), shown


@pytest.mark.parametrize("size", [(32, 16), (24, 24)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photographs_are_stored_as_viewers_show_them(tmp_path, size, kind, orientation):
    data, shown = turned_photo(size, orientation, kind)
    folder = make_folders(tmp_path / "in", [data], [shown[..., 0] > 0], kind.lower())
    for form in ("jpeg", "png", "raw"):
        build(folder, tmp_path / form, encoding=form)
        (datum,) = datums(tmp_path / form / "train_db" / "features")
        pixels = datum_to_array(datum)[::-1].transpose(1, 2, 0)
        assert (datum.height, datum.width) == shown.shape[:2] == pixels.shape[:2]
        assert np.array_equal(pixels[..., 0] > 127, shown[..., 0] > 127)
        passes = datum.encoded and datum.data == data
        assert passes == (orientation == 1 and form == kind.lower())
        if datum.encoded and not passes:
            with Image.open(io.BytesIO(datum.data)) as stored:
                assert 0x0112 not in stored.getexif()


def test_a_label_that_fits_the_stored_pixels_is_explained(tmp_path):
    data, shown = turned_photo((32, 16))
    folder = make_folders(tmp_path / "in", [data], [shown[..., 0].T > 0], "jpg")
    with pytest.raises(InputError, match=r"16 x 32 .* 32 x 16 as shown: .*orientation \(6\)"):
        build(folder, tmp_path / "db")


def test_png_photographs_become_jpeg_of_quality_90(tmp_path):
    folder = make_folders(tmp_path / "in", [photo()], [np.zeros((10, 20))])
    build(folder, tmp_path / "db", encoding="jpeg")
    file = io.BytesIO()
    Image.fromarray(photo()).save(file, "JPEG", quality=90)
    assert datums(tmp_path / "db" / "train_db" / "features")[0].data == file.getvalue()


def test_raw_datums_are_bgr_planes(tmp_path):
    classes = np.arange(200).reshape(10, 20) % 5
    folder = make_folders(tmp_path / "in", [photo()], [classes])
    build(folder, tmp_path / "db", encoding="raw", label_encoding="raw")
    (feature,) = datums(tmp_path / "db" / "train_db" / "features")
    assert not feature.encoded
    assert feature.data == photo()[..., ::-1].transpose(2, 0, 1).tobytes()
    (label,) = datums(tmp_path / "db" / "train_db" / "labels")
    assert label.data == classes.astype(np.uint8).tobytes() and not label.encoded


@pytest.mark.parametrize(
    "channels, expected", [("color", [3, 3]), ("grey", [1, 1]), ("none", [3, 3])]
)
def test_channel_conversion(tmp_path, channels, expected):
    folder = make_folders(tmp_path / "in", [photo(), photo()[..., 0]], [np.zeros((10, 20))] * 2)
    build(folder, tmp_path / "db", channels=channels)
    features = datums(tmp_path / "db" / "train_db" / "features")
    assert [datum.channels for datum in features] == expected
    assert [len(datum_to_array(datum)) for datum in features] == expected


def test_small_pngs_are_smaller_with_the_same_pixels(tmp_path):
    smooth = np.add.outer(np.arange(60), np.arange(80))[..., None] * [1, 1, 0] % 256
    folder = make_folders(
        tmp_path / "in", [encoded(smooth.astype(np.uint8), "BMP")], [np.zeros((60, 80))], "bmp"
    )
    data = []
    for small in (False, True):
        out = tmp_path / f"db{small}"
        build(folder, out, small=small)
        (datum,) = datums(out / "train_db" / "features")
        assert np.array_equal(datum_to_array(datum)[::-1].transpose(1, 2, 0), smooth)
        data.append(len(datum.data))
    assert data[1] < data[0]


def test_paletted_labels_turn_grey_without_recompression(tmp_path):
    classes = np.random.RandomState(2).choice([0, 3, 255], (10, 20)).astype(np.uint8)
    label = encoded(classes, "PNG", voc_palette())
    folder = make_folders(tmp_path / "in", [photo()], [label])
    build(folder, tmp_path / "db")
    (datum,) = datums(tmp_path / "db" / "train_db" / "labels")
    assert np.array_equal(datum_to_array(datum)[0], classes)
    assert b"PLTE" not in datum.data
    pixels = label[label.index(b"IDAT") - 4 : label.index(b"IEND") - 4]
    assert pixels in datum.data


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_labels_of_few_bits_keep_their_indices(tmp_path, bits):
    classes = (np.arange(200).reshape(10, 20) % 2**bits).astype(np.uint8)
    image = Image.fromarray(classes)
    image.putpalette(voc_palette()[: 2**bits].tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", bits=bits)
    folder = make_folders(tmp_path / "in", [photo()], [file.getvalue()])
    build(folder, tmp_path / "db")
    (datum,) = datums(tmp_path / "db" / "train_db" / "labels")
    assert np.array_equal(datum_to_array(datum)[0], classes)


def test_rgb_labels_become_indices_by_a_colour_map(tmp_path, capsys):
    classes = np.array([[0, 1, 20, 255] * 5] * 10, np.uint8)
    folder = make_folders(tmp_path / "in", [photo()], [voc_palette()[classes]])
    arguments = ["create_lmdb", str(folder), str(tmp_path / "db"), "--val-percent", "0"]
    assert main.main(arguments) == 1
    assert "--colour-map" in capsys.readouterr().err and not (tmp_path / "db").exists()
    colours = tmp_path / "colours.txt"
    colours.write_text(format_palette(voc_palette()[:21]))
    assert main.main([*arguments, "--colour-map", str(colours), "--classes", "voc"]) == 0
    (datum,) = datums(tmp_path / "db" / "train_db" / "labels")
    assert np.array_equal(datum_to_array(datum)[0], classes)
    assert np.array_equal(read_palette(tmp_path / "db" / "palette.txt")[:21], voc_palette()[:21])


def test_mean_is_exact_and_an_image_if_shapes_agree(tmp_path):
    photos = [photo(seed=i) for i in range(5)]
    folder = make_folders(tmp_path / "in", photos, [np.zeros((10, 20))] * 5)
    manifest = build(folder, tmp_path / "db", workers=2)
    expected = np.mean(photos, axis=0)[..., ::-1].transpose(2, 0, 1)
    assert np.allclose(read_blob(tmp_path / "db" / "mean.binaryproto"), expected[None], atol=1e-4)
    assert np.allclose(manifest["mean_bgr"], expected.mean((1, 2)), atol=1e-5)
    numbers = (tmp_path / "db" / "mean.txt").read_text().splitlines()[-1].split()
    assert np.allclose([float(n) for n in numbers], manifest["mean_bgr"], atol=1e-5)


def test_no_mean_image_if_shapes_differ(voc_folders, tmp_path):
    manifest = build(voc_folders, tmp_path / "db")
    assert not (tmp_path / "db" / "mean.binaryproto").exists()
    train = manifest["splits"]["train"]
    assert (train["smallest"], train["largest"], train["shape"]) == ([24, 36], [40, 30], None)
    photos = [read_rgb(pair.image).reshape(-1, 3) for pair in find_splits(voc_folders)[0]]
    assert np.allclose(manifest["mean_bgr"], np.concatenate(photos).mean(0)[::-1], atol=1e-5)


def test_same_shape_names_the_image_that_differs(voc_folders, tmp_path):
    with pytest.raises(InputError, match=r"2007_000002\.jpg.*\(3, 32, 32\).*\(3, 30, 40\)"):
        build(voc_folders, tmp_path / "db", same_shape=True, workers=2)
    assert not (tmp_path / "db").exists()


def test_manifest_counts_pixels_of_each_class(voc_folders, tmp_path):
    manifest = build(voc_folders, tmp_path / "db", classes=voc_class_names())
    labels = [read_label(pair.label).ravel() for pair in find_splits(voc_folders)[0]]
    counts = np.bincount(np.concatenate(labels), minlength=256)
    train = manifest["splits"]["train"]
    assert list(train["class_pixels"].values()) == counts[:21].tolist()
    assert train["ignored_pixels"] == counts[255]
    assert json.loads((tmp_path / "db" / "manifest.json").read_text()) == manifest


def test_validation_is_drawn_from_the_training_images(tmp_path):
    folder = make_folders(
        tmp_path / "in", [photo(seed=i) for i in range(12)], [np.zeros((10, 20))] * 12
    )
    pairs, val = find_splits(folder)
    assert val is None
    train, val = split_pairs(pairs, 25, seed=1)
    assert (len(train), len(val)) == (9, 3)
    assert sorted(train + val) == pairs
    assert split_pairs(pairs, 25, seed=1)[1] == val != split_pairs(pairs, 25, seed=2)[1]
    assert main.main(["create_lmdb", str(folder), str(tmp_path / "db"), "--val-percent", "25"]) == 0
    assert (tmp_path / "db" / "val.txt").read_text().split() == [pair.id for pair in val]


def test_too_few_images_for_validation_are_pointed_out(tmp_path, capsys):
    folder = make_folders(tmp_path / "in", [photo()] * 6, [np.zeros((10, 20))] * 6)
    assert main.main(["create_lmdb", str(folder), str(tmp_path / "db"), "--classes", "2"]) == 0
    warning = "10% of 6 images is none, so there is no val_db: pass --val-percent 17 or more"
    assert warning in capsys.readouterr().err


def test_separate_folders_for_images_labels_and_validation(voc_folders, tmp_path):
    arguments = ["create_lmdb", str(tmp_path / "db"), "--workers", "1"]
    for option, place in (
        ("--images", "train/images"),
        ("--labels", "train/labels"),
        ("--val-images", "val/images"),
        ("--val-labels", "val/labels"),
    ):
        arguments += [option, str(voc_folders / place)]
    assert main.main(arguments) == 0
    assert main.main(["create_lmdb", str(voc_folders), str(tmp_path / "db2")]) == 0
    for name in ("train_db/features/data.mdb", "val_db/labels/data.mdb", "manifest.json"):
        assert (tmp_path / "db" / name).read_bytes() == (tmp_path / "db2" / name).read_bytes()


def test_without_the_fast_library_pixels_are_the_same(voc_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(encoding.png, "isal_zlib", None)
    build(voc_folders, tmp_path / "db")
    first = datums(tmp_path / "db" / "train_db" / "features")[0]
    expected = read_rgb(voc_folders / "train" / "images" / f"{IDS['train'][0]}.jpg")
    assert np.array_equal(datum_to_array(first)[::-1].transpose(1, 2, 0), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (7, 1, 3), (1, 9), (40, 33, 3), (16, 16)])
def test_our_pngs_decode_to_the_same_pixels(shape):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    with Image.open(io.BytesIO(encoding.png.encode_photo(pixels))) as image:
        assert np.array_equal(np.asarray(image), pixels)
    if len(shape) == 2:
        with Image.open(io.BytesIO(encoding.png.encode_label(pixels))) as image:
            assert np.array_equal(np.asarray(image), pixels)


def test_databases_of_another_set_do_not_mix(voc_folders, tmp_path):
    build(voc_folders, tmp_path / "db")
    shutil.copytree(tmp_path / "db" / "val_db" / "labels", tmp_path / "x" / "train_db" / "labels")
    shutil.copytree(
        tmp_path / "db" / "train_db" / "features", tmp_path / "x" / "train_db" / "features"
    )
    with pytest.raises(InputError, match="do not belong together"):
        open_dataset(tmp_path / "x", "train")


def test_names_below_folders_and_odd_names_come_back(tmp_path):
    names = ["b/one", "a/two", "\u2028 x", "na\u00efve"]
    for name in names:
        for kind in ("images", "labels"):
            path = tmp_path / "in" / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_label(path, np.zeros((4, 4), np.uint8), voc_palette())
    build(tmp_path / "in", tmp_path / "db")
    with open_dataset(tmp_path / "db", "train") as dataset:
        assert dataset.ids == sorted(names)


def test_real_photographs(shared_data, tmp_path):
    images = shared_data / "voc_rgb_labels" / "images"
    pairs = find_pairs(images, shared_data / "voc_rgb_labels" / "labels")
    create_lmdb(pairs, [], tmp_path / "db", classes=voc_class_names(), colours=voc_palette())
    with open_dataset(tmp_path / "db", "train") as dataset:
        for i, pair in enumerate(pairs):
            assert np.array_equal(dataset.image(i), read_rgb(pair.image))
            painted = voc_palette()[dataset.label(i)]
            assert np.array_equal(painted, read_rgb(pair.label))


def test_classes_that_were_only_counted_are_reported(voc_folders, tmp_path, capsys):
    command = ["create_lmdb", str(voc_folders), str(tmp_path / "db"), "--workers", "1", "--force"]
    assert main.main([*command, "--classes", "voc"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main.main(command) == 0
    counted = len((tmp_path / "db" / "classes.txt").read_text().splitlines())
    words = capsys.readouterr().err
    assert f"{counted} classes were counted, as the highest label is {counted - 1}." in words
    assert "--classes FILE" in words and "--classes voc" in words
