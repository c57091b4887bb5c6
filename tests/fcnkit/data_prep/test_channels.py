"""create_lmdb and check_dataset on images of any number of channels, of 8, 16 and 32 bits."""

import json
import os

import numpy as np
import pytest
from lmdb_folders import build, datums, make_folders, photo
from PIL import Image
from voc_archive import encoded

from caffeformat import InputError, datum_to_array, read_blob
from fcnkit.commands import main
from fcnkit.data_prep import check_entries, database_entries, folder_entries
from fcnkit.data_prep.lmdb.sums import PixelSums
from fcnkit.datasets import open_dataset
from fcnkit.images import ImageForm, as_rgb
from fcnkit.progress import Progress

SHAPE = (10, 20)
LABEL = np.tile(np.array([[0, 1]], np.uint8), (10, 10))


class Notes(Progress):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def arrays_folder(folder, arrays):
    """Folders of images, saved as NumPy arrays, and their labels."""
    make_folders(folder, [], [LABEL] * len(arrays))
    for i, array in enumerate(arrays):
        np.save(folder / "images" / f"{i:03d}.npy", array)
    return folder


def images(count, channels, dtype):
    random = np.random.RandomState(count)
    if dtype == np.float32:
        return [random.standard_normal((*SHAPE, channels)).astype(dtype) for _ in range(count)]
    most = np.iinfo(dtype).max
    return [random.randint(0, most, (*SHAPE, channels)).astype(dtype) for _ in range(count)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 10])
def test_every_value_is_stored_where_caffe_reads_it(tmp_path, dtype, channels):
    arrays = images(3, channels, dtype)
    manifest = build(arrays_folder(tmp_path / "in", arrays), tmp_path / "db")
    depth = np.dtype(dtype).name
    assert (manifest["channels"], manifest["depth"]) == (channels, depth)
    stored = datums(tmp_path / "db" / "train_db" / "features")
    turned = [array[..., ::-1] if channels == 3 else array for array in arrays]
    for datum, array in zip(stored, turned):
        assert (datum.channels, datum.height, datum.width) == (channels, *SHAPE)
        assert datum.encoded == (dtype == np.uint8 and channels in (1, 3))
        assert bool(datum.data) == (dtype == np.uint8)
        values = datum_to_array(datum)
        assert np.array_equal(values, array.transpose(2, 0, 1))
    expected = np.mean(turned, axis=(0, 1, 2), dtype=np.float64)
    assert np.allclose(manifest["mean"], expected, rtol=1e-6, atol=1e-5)
    assert ("mean_bgr" in manifest) == (channels == 3)
    lines = (tmp_path / "db" / "mean.txt").read_text().splitlines()
    assert np.allclose([float(n) for n in lines[1].split()], expected, rtol=1e-6, atol=1e-5)
    mean = read_blob(tmp_path / "db" / "mean.binaryproto")
    assert mean.shape == (1, channels, *SHAPE)
    assert np.allclose(mean[0], np.mean(turned, 0, np.float64).transpose(2, 0, 1), rtol=1e-6)
    with open_dataset(tmp_path / "db", "train") as dataset:
        assert dataset.form(1) == ImageForm(channels, depth)
        assert dataset.image(1).dtype == dtype and np.array_equal(dataset.image(1), arrays[1])


def test_float_sums_do_not_depend_on_the_order(tmp_path):
    arrays = [a * 10.0**e for e, a in enumerate(images(7, 2, np.float32), -3)]
    sums = []
    for order in (arrays, arrays[::-1], arrays[3:] + arrays[:3]):
        one, other = PixelSums(arrays[0].shape, True), PixelSums(arrays[0].shape, True)
        for i, array in enumerate(order):
            (one if i % 3 else other).add(array)
        one.merge(other)
        sums.append(one.total.astype(np.float32))
    assert np.array_equal(sums[0], sums[1]) and np.array_equal(sums[0], sums[2])
    folder = arrays_folder(tmp_path / "in", [array.astype(np.float32) for array in arrays])
    for workers in (1, 2):
        build(folder, tmp_path / f"db{workers}", workers=workers)
    for name in ("mean.txt", "mean.binaryproto", "manifest.json"):
        one, two = ((tmp_path / f"db{n}" / name).read_bytes() for n in (1, 2))
        assert one == two


def test_one_grey_image_among_colour_ones_becomes_colour(tmp_path):
    grey = photo()[..., 0]
    for place in (0, 2):
        contents = [photo(seed=i) for i in range(4)]
        contents[place] = grey
        folder, notes = tmp_path / f"in{place}", Notes()
        make_folders(folder, contents, [LABEL] * 4)
        out = tmp_path / f"db{place}"
        assert build(folder, out, progress=notes)["channels"] == 3
        assert notes.notes == ["train: 1 of 4 images are grey: stored as colour"]
        stored = [datum_to_array(datum) for datum in datums(out / "train_db" / "features")]
        assert {len(array) for array in stored} == {3}
        assert np.array_equal(stored[place], np.repeat(grey[None], 3, 0))


def test_a_channel_called_transparency_is_kept_or_its_loss_is_said(tmp_path):
    random = np.random.RandomState(0)
    contents = [random.randint(0, 256, (*SHAPE, 4)).astype(np.uint8) for _ in range(3)]
    contents[1][..., 3] = 255
    folder, notes = make_folders(tmp_path / "in", contents, [LABEL] * 3), Notes()
    assert build(folder, tmp_path / "db", progress=notes)["channels"] == 3
    (note,) = notes.notes
    assert note.startswith("train: 2 of 3 images have a last channel")
    notes = Notes()
    assert build(folder, tmp_path / "db4", channels=4, progress=notes)["channels"] == 4
    assert notes.notes == []
    for datum, array in zip(datums(tmp_path / "db4" / "train_db" / "features"), contents):
        assert np.array_equal(datum_to_array(datum), array.transpose(2, 0, 1))


def test_12_bits_are_scaled_only_if_asked_for(tmp_path):
    deep = np.arange(200, dtype=np.uint16).reshape(SHAPE) * 20  # up to 3980
    folder = make_folders(tmp_path / "in", [encoded16(deep), photo()[..., 0]], [LABEL] * 2)
    with pytest.raises(InputError, match=r"001.png: holds 8 bits per channel, expected 16 bits"):
        build(folder, tmp_path / "db")
    with pytest.raises(InputError, match=r"000.png: holds values 0 to 3980, expected 0 to 2000"):
        build(folder, tmp_path / "db", white=2000)
    manifest = build(folder, tmp_path / "db", white=4095)
    assert manifest["white"] == 4095 and manifest["depth"] == "uint8"
    first, second = datums(tmp_path / "db" / "train_db" / "features")
    assert first.encoded and second.encoded
    assert np.array_equal(datum_to_array(first)[0], np.floor(deep * 255.0 / 4095 + 0.5))
    assert np.array_equal(datum_to_array(second)[0], photo()[..., 0])
    os.rename(folder / "images" / "001.png", folder / "images" / "0.png")
    os.rename(folder / "labels" / "001.png", folder / "labels" / "0.png")
    with pytest.raises(InputError, match=r"000.png: holds 16 bits .*\(values 0 to 3980\).*white"):
        build(folder, tmp_path / "db2")


def encoded16(array):
    import io

    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def test_unlike_images_are_refused_with_the_remedy(tmp_path):
    contents = [np.dstack([photo(), photo()[..., :1]]), photo()]
    folder = make_folders(tmp_path / "in", [], [LABEL] * 2)
    for i, content in enumerate(contents):
        Image.fromarray(content).save(folder / "images" / f"{i:03d}.tif")
    with pytest.raises(InputError) as error:
        build(folder, tmp_path / "db")
    said = error.value.for_command_line()
    assert said.startswith(f"{folder}/images/001.tif: has 3 channels, the first image 4")
    assert "pass --channels color" in said
    assert build(folder, tmp_path / "db", channels="color")["channels"] == 3


@pytest.mark.parametrize("channels", [4, "color", "grey"])
def test_channels_that_cannot_be_made_are_refused_with_the_file(tmp_path, channels):
    folder = arrays_folder(tmp_path / "in", images(2, 10, np.uint8))
    with pytest.raises(InputError, match=r"000.npy: has 10 channels, expected"):
        build(folder, tmp_path / "db", channels=channels)


def facts(entries, **options):
    return check_entries(entries, **options).as_dict()


def test_the_check_says_what_images_are_and_which_differ(tmp_path):
    mixed = [photo(), photo(), photo()[..., 0]]
    folder = make_folders(tmp_path / "in", mixed, [LABEL] * 3)
    places = folder / "images", folder / "labels"
    found = facts(lambda: folder_entries(*places))
    assert found["image_kinds"] == {"3 channels of uint8": 2, "1 channel of uint8": 1}
    assert found["problems"] == {}  # grey files are read as colour
    found = facts(lambda: folder_entries(*places), form=ImageForm(4))
    assert len(found["problems"]["unfit"]) == 3
    np.save(places[0] / "9.npy", np.zeros((*SHAPE, 5), np.uint16))
    (places[1] / "9.png").write_bytes(encoded(LABEL, "PNG"))
    found = facts(lambda: folder_entries(*places))["problems"]
    assert found["channels differ"] == found["depths differ"]
    assert found["channels differ"] == [
        "9: 5 channels of uint16, most have 3 channels of uint8",
    ]


def test_the_check_reads_databases_of_many_bands_and_shows_them(tmp_path, capsys):
    arrays = images(3, 10, np.uint16)
    build(arrays_folder(tmp_path / "in", arrays), tmp_path / "db", bands=(4, 3, 2))
    database = tmp_path / "db" / "train_db"
    found = facts(lambda: database_entries(database / "features", database / "labels"))
    assert found["problems"] == {} and list(found["sizes"]) == ["20x10"]
    sheet = str(tmp_path / "sheet.png")
    assert (
        main.run_module("fcnkit.commands.check_dataset", [str(tmp_path / "db"), "--sheet", sheet])
        == 0
    )
    assert "images: 10 channels of float32 (3)" in capsys.readouterr().out
    assert as_rgb(arrays[0], (4, 3, 2)).shape == (*SHAPE, 3) and os.path.getsize(sheet)


def test_the_command_takes_channels_white_and_bands(tmp_path, capsys):
    folder = arrays_folder(tmp_path / "in", images(4, 5, np.uint16))
    out = str(tmp_path / "db")
    arguments = [str(folder), out, "--val-percent", "25", "--classes", "2"]
    (tmp_path / "in" / "classes.txt").write_text("a\nb\n")
    arguments = arguments[:4]
    command = "fcnkit.commands.create_lmdb"
    assert main.run_module(command, [*arguments, "--channels", "color"]) == 1
    assert "has 5 channels, expected 3" in capsys.readouterr().err
    more = ["--channels", "5", "--white", "65535", "--bands", "3,2,1"]
    assert main.run_module(command, [*arguments, *more]) == 0
    assert "mean (5 channels, uint8):" in capsys.readouterr().out
    with open(f"{out}/manifest.json") as file:
        manifest = json.load(file)
    assert (manifest["bands"], manifest["white"], manifest["depth"]) == ([3, 2, 1], 65535, "uint8")
    for wrong in (["--bands", "0,1,2"], ["--bands", "1,2"], ["--channels", "many"]):
        with pytest.raises(SystemExit):
            main.run_module(command, [*arguments, *wrong])
