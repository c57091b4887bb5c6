"""Labels that are probably not what they look like: found by the check and by create_lmdb."""

import io

import numpy as np
import pytest
from lmdb_folders import build, datums, make_folders, photo
from low_bit_png import low_bit_png
from PIL import Image

from caffeformat import InputError, datum_to_array
from fcnkit.commands import main
from fcnkit.data_prep import check_entries, folder_entries
from fcnkit.data_prep.findings import doubtful_pixels, find
from fcnkit.images import open_image, read_colour_map
from fcnkit.progress import Progress

BLOCK = np.zeros((10, 20), np.uint8)
BLOCK[2:7, 3:12] = 1


class Notes(Progress):
    """Keeps the notes."""

    def __init__(self):
        self.texts = []

    def note(self, text):
        self.texts.append(text)


def problems(folder, names=None, colours=None):
    def entries():
        return folder_entries(folder / "images", folder / "labels")

    return check_entries(entries, names, colours).as_dict()["problems"]


def notes(folder, out, **options):
    progress = Notes()
    build(folder, out, progress=progress, **options)
    return progress.texts


def file_of(array, kind, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def test_black_and_white_labels_are_named_as_what_they_probably_are(tmp_path):
    folder = make_folders(tmp_path / "in", [photo()] * 3, [BLOCK * 255] * 3)
    assert problems(folder) == {"only 0 and 255": ["3 of 3 labels"]}
    (text,) = notes(folder, tmp_path / "db")
    assert text.startswith("train: only 0 and 255 (3 of 3 labels): 255 is ignored")
    assert "colour map `binary`" in text
    colours = read_colour_map("binary")
    assert problems(folder, ["background", "cell"], colours) == {}
    assert notes(folder, tmp_path / "two", colours=colours) == []
    for datum in datums(tmp_path / "two" / "train_db" / "labels"):
        assert np.array_equal(datum_to_array(datum)[0], BLOCK)


def test_masks_of_one_and_of_eight_bits_mean_the_same_with_a_colour_map(tmp_path):
    labels = [file_of(BLOCK * 255, "PNG"), file_of(BLOCK > 0, "PNG"), file_of(BLOCK * 255, "PNG")]
    folder = make_folders(tmp_path / "in", [photo()] * 3, labels)
    assert problems(folder) == {"only 0 and 255": ["2 of 3 labels"]}
    build(folder, tmp_path / "db", colours=read_colour_map("binary"))
    for datum in datums(tmp_path / "db" / "train_db" / "labels"):
        assert np.array_equal(datum_to_array(datum)[0], BLOCK)


def test_some_labels_with_ignored_pixels_beside_the_background_are_no_finding(tmp_path):
    labels = [BLOCK, BLOCK, BLOCK * 255]
    assert problems(make_folders(tmp_path / "in", [photo()] * 3, labels)) == {}


def test_a_named_class_that_never_occurs_beside_many_ignored_pixels_is_a_finding(tmp_path):
    label = BLOCK.copy()
    label[label == 0] = 0
    label[8:] = 255
    folder = make_folders(tmp_path / "in", [photo()], [label])
    names = ["background", "cat", "dog"]
    detail = "dog, while 20.0% of all pixels are 255"
    assert problems(folder, names) == {"class without a pixel": [detail]}
    assert detail in notes(folder, tmp_path / "db", classes=names)[0]
    assert problems(folder, names[:2]) == {}
    # A few images of a dataset with many classes do not show most of them.
    assert problems(folder, [f"class {i}" for i in range(21)]) == {}


def test_shades_of_grey_in_place_of_indices_are_a_finding(tmp_path):
    label = BLOCK * 127
    label[8:] = 254
    folder = make_folders(tmp_path / "in", [photo()], [label])
    assert problems(folder) == {"shades of grey": ["the values are 0, 127, 254"]}
    (text,) = notes(folder, tmp_path / "db")
    assert "read the labels with a colour map" in text and "indices, pass the class names" in text
    (tmp_path / "map.txt").write_text("0 0 0\n127 127 127\n254 254 254\n")
    colours = read_colour_map(tmp_path / "map.txt")
    assert problems(folder, colours=colours) == {}
    build(folder, tmp_path / "right", colours=colours)
    (datum,) = datums(tmp_path / "right" / "train_db" / "labels")
    assert np.array_equal(datum_to_array(datum)[0], label // 127)


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ([0, 1, 2], None),
        ([0, 1, 20], None),
        ([0, 1, 11, 30], None),
        ([0, 5], None),
        ([0, 128], "shades of grey"),
        ([128], "shades of grey"),
        ([10, 20, 30], "shades of grey"),
        ([0, 38, 75, 113], "shades of grey"),
        ([0, 1, 254], "shades of grey"),
        ([1, 2], "no pixel of class 0"),
        ([1, 2, 3, 255], "no pixel of class 0"),
        ([255], None),
    ],
)
def test_values_that_can_hardly_be_indices_from_0(values, finding):
    pixels = np.zeros(256, np.int64)
    pixels[values] = 9
    assert list(find(pixels, 3, 0)) == ([finding] if finding else [])
    assert find(pixels, 3, 0, [f"class {i}" for i in range(255)]) == {}


def test_labels_that_count_from_one_are_pointed_out(tmp_path):
    folder = make_folders(tmp_path / "in", [photo()] * 2, [BLOCK + 1] * 2)
    (text,) = notes(folder, tmp_path / "db")
    assert "no pixel of class 0 (the values begin with 1)" in text and "`1 1 1`" in text
    with pytest.raises(InputError, match=r"label 2 .* 2 classes .*count from 1 to 2.*`1 1 1`"):
        build(folder, tmp_path / "named", classes=["one", "two"])
    assert "count from 1 to 2" in problems(folder, ["one", "two"])["past the classes"][0]
    (tmp_path / "map.txt").write_text("1 1 1 one\n2 2 2 two\n")
    colours = read_colour_map(tmp_path / "map.txt")
    build(folder, tmp_path / "right", classes=["one", "two"], colours=colours)
    for datum in datums(tmp_path / "right" / "train_db" / "labels"):
        assert np.array_equal(datum_to_array(datum)[0], BLOCK)


def test_jpeg_labels_are_found_with_the_share_of_pixels_in_doubt(tmp_path):
    large = np.zeros((16, 32), np.uint8)
    large[:, 12:] = 40
    labels = [file_of(large, "JPEG", quality=75), file_of(large, "PNG")]
    folder = make_folders(tmp_path / "in", [photo(32, 16)] * 2, labels)
    for old in (folder / "labels").glob("*000*"):
        old.rename(old.with_suffix(".jpg"))
    # One column of blocks of four has the border in it, in one label of two.
    detail = "1 of 2 labels, 12.5% of all pixels in doubt"
    assert problems(folder) == {"lossy labels": [detail]}
    (text,) = notes(folder, tmp_path / "db")
    assert detail in text and "save the labels as PNG" in text


@pytest.mark.parametrize(
    "quality, mode, share", [(95, "L", 0.25), (75, "L", 0.25), (50, "L", 1), (95, "RGB", 1)]
)
def test_pixels_in_doubt_are_mixed_blocks_or_all(quality, mode, share):
    label = np.zeros((16, 32), np.uint8)
    label[:, 12:] = 40
    file = io.BytesIO()
    Image.fromarray(label).convert(mode).save(file, "JPEG", quality=quality)
    image = open_image(file.getvalue())
    image.load()
    assert doubtful_pixels(image) == share * label.size
    exact = np.asarray(image.convert("L")) == label
    if share < 1:
        assert exact[:, :8].all() and exact[:, 16:].all()


def test_jpeg_within_a_tiff_leaves_all_pixels_in_doubt():
    for compression, doubtful in (("jpeg", BLOCK.size), ("tiff_lzw", None)):
        file = io.BytesIO()
        Image.fromarray(BLOCK).save(file, "TIFF", compression=compression)
        image = open_image(file.getvalue())
        image.load()
        assert doubtful_pixels(image) == doubtful


def test_labels_in_npz_reach_the_database(tmp_path):
    folder = make_folders(tmp_path / "in", [photo()], [b""])
    (place,) = (folder / "labels").iterdir()
    np.savez(place.with_suffix(".npz"), BLOCK)
    place.unlink()
    build(folder, tmp_path / "db")
    (datum,) = datums(tmp_path / "db" / "train_db" / "labels")
    assert np.array_equal(datum_to_array(datum)[0], BLOCK)


def test_lossless_labels_are_not_in_doubt():
    image = open_image(file_of(BLOCK, "PNG"))
    assert doubtful_pixels(image) is None


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("top", [1, 3])
def test_labels_of_few_bits_reach_the_database_as_indices(tmp_path, bits, top):
    label = BLOCK * top
    folder = make_folders(tmp_path / "in", [photo()], [low_bit_png(label, bits)])
    for form in ("png", "raw"):
        build(folder, tmp_path / form, label_encoding=form)
        (datum,) = datums(tmp_path / form / "train_db" / "labels")
        assert np.array_equal(datum_to_array(datum)[0], label)


def test_the_check_counts_turned_images_and_names_labels_of_the_stored_size(tmp_path, capsys):
    exif = Image.Exif()
    exif[0x0112] = 8
    stored = file_of(photo(32, 16), "JPEG", exif=exif)
    labels = [np.zeros((32, 16), np.uint8), np.zeros((16, 32), np.uint8)]
    folder = make_folders(tmp_path / "in", [stored] * 2, labels, "jpg")
    (detail,) = problems(folder)["sizes differ"]
    assert "label 32 x 16, image 16 x 32 as shown: the label fits the pixels as stored" in detail
    assert "orientation (8)" in detail
    assert main.main(["check_dataset", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "sizes: 16x32 (2)" in out and "orientation says: 2 images" in out


@pytest.mark.parametrize(
    ("image", "label", "words"),
    [
        (np.zeros((10, 20, 3), np.uint8), (10, 10), "scale the label to its image's size"),
        (np.zeros((10, 20, 3), np.uint8), (20, 10), "turned by 90 degrees"),
        (np.zeros((3, 10, 20), np.uint8), (10, 20), "save it as height x width x channels"),
    ],
)
def test_sizes_that_differ_come_with_what_to_do(tmp_path, image, label, words):
    folder = tmp_path / "in"
    for kind, array in (("images", image), ("labels", np.zeros(label, np.uint8))):
        (folder / kind).mkdir(parents=True)
        np.save(folder / kind / "a.npy", array)
    assert words in problems(folder)["sizes differ"][0]
    with pytest.raises(InputError, match=words):
        build(folder, tmp_path / "db")


def test_labels_that_were_a_jpeg_are_found_in_pngs(tmp_path):
    """Their values fill the range near those of the classes, and do not look like greys."""
    shapes = np.zeros((40, 60), np.uint8)
    shapes[2:12, 3:20], shapes[20:38, 30:41] = 1, 2
    for step in (20, 100, 120):
        blurred = open_image(file_of(shapes * np.uint8(step), "JPEG", quality=80))
        made = np.asarray(blurred)
        folder = make_folders(tmp_path / f"{step}", [photo(60, 40)], [made])
        (detail,) = problems(folder)["lossy labels"]
        assert detail.startswith("1 of 1 labels, ")
        (text,) = notes(folder, tmp_path / f"db{step}")
        assert "lossy labels (1 of 1 labels" in text and "PNG that was made of a JPEG" in text


def test_labels_of_many_classes_are_not_blurred():
    rows, columns = np.mgrid[:60, :80]
    areas = (rows // 5 * 16 + columns // 5).astype(np.uint8)  # 192 classes of 5 x 5 pixels
    assert doubtful_pixels(Image.fromarray(areas)) is None
    noise = np.random.RandomState(0).randint(0, 40, (60, 80)).astype(np.uint8)
    assert doubtful_pixels(Image.fromarray(noise)) is None
    few = np.where(noise < 30, 0, noise - 30).astype(np.uint8)  # ten classes of single pixels
    assert doubtful_pixels(Image.fromarray(few)) is None


def test_points_and_specks_of_many_classes_are_not_blurred():
    numbers = np.arange(1, 31)
    points = np.zeros((60, 80), np.uint8)
    points[numbers * 7 % 60, numbers * 11 % 80] = numbers  # a pixel of each of 30 classes
    assert doubtful_pixels(Image.fromarray(points)) is None
    lines = np.zeros((60, 80), np.uint8)
    for number in range(20):
        lines[np.arange(20) + 30, np.arange(20) + 3 * number] = number + 1
    assert doubtful_pixels(Image.fromarray(lines)) is None
    random = np.random.RandomState(0)
    specks = np.repeat(np.arange(4), 20).astype(np.uint8) * np.ones((60, 1), np.uint8)
    specks = np.where(random.rand(60, 80) < 0.05, random.randint(0, 21, (60, 80)), specks)
    assert doubtful_pixels(Image.fromarray(specks.astype(np.uint8))) is None
