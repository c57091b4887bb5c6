"""VOC's layout as annotation tools and people write it, through both commands."""

import io
import struct
import unicodedata
import zipfile
import zlib

import numpy as np
import pytest
from labelled_data import check_pairs, encoded, image, label, pack, truth
from PIL import Image

from caffeformat import InputError
from fcnkit.commands import main
from fcnkit.data_prep import DataOptions, prepare_data, prepare_voc
from fcnkit.images import read_label, voc_palette

COLOURS = [[0, 0, 0], [48, 112, 32], [176, 112, 32], [224, 224, 192]]
LABELMAP = "# label:color_rgb:parts:actions\nred:48,112,32::\n_:0,0,0::\nblue:176,112,32::\n"
SUPERVISELY = "neutral 224 224 192\nred 48 112 32\nblue 176 112 32\n"
SETS = "ImageSets/Segmentation"


def voc(ids, lists, root="", label_of=label, form="PNG", suffix="png"):
    """Files in VOC's layout: image `number` is called `ids[number]`."""
    files = {f"{root}{SETS}/{name}.txt": text for name, text in lists.items()}
    for number, id_ in enumerate(ids):
        files[f"{root}JPEGImages/{id_}{suffix and '.'}{suffix}"] = image(number, form)
        files[f"{root}SegmentationClass/{id_}.png"] = label_of(number)
    return files


def by_both(tmp_path, files, form="folder", **options):
    """Prepare `files` by both commands, which have to agree; returns the split folders' place."""
    source = pack(form, tmp_path / "source", files)
    prepare_data(source, tmp_path / "out", DataOptions(**options))
    known = {key: options[key] for key in ("sets", "val_percent", "images") if key in options}
    prepare_voc(source, tmp_path / "voc", **known)
    tree = {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.png")}
    assert tree == {p.relative_to(tmp_path / "voc") for p in (tmp_path / "voc").rglob("*.png")}
    for path in tree:
        if path.parts[1] == "labels":
            first, second = ((tmp_path / place / path).read_bytes() for place in ("out", "voc"))
            assert np.array_equal(pixels(first), pixels(second))
    return tmp_path / "out"


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)))


CVAT = {"default": "a/1\nb/1\nc 2\nd\n"}


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize("kind", ["colours", "lines"])
def test_cvat(tmp_path, form, kind):
    made = {"colours": lambda n: label(n, COLOURS), "lines": label}[kind]
    files = voc(["a/1", "b/1", "c 2", "d"], CVAT, label_of=made)
    files["labelmap.txt"] = LABELMAP
    out = by_both(tmp_path, files, form, sets=["default"], val_percent=25)
    assert (out / "classes.txt").read_text() == "red\n_\nblue\n"
    meaning = (0, 1, 2) if kind == "lines" else (1, 0, 2)
    for split, count in (("train", 3), ("val", 1)):
        ids = [
            p.relative_to(out / split / "images").with_suffix("").as_posix()
            for p in (out / split / "images").rglob("*.png")
        ]
        assert len(ids) == count
        check_pairs(out / split, ids, meaning)


def test_the_set_is_asked_for_by_name(tmp_path, capsys):
    files = voc(["a", "b"], {"default": "a\nb\n"})
    source = pack("zip", tmp_path / "task", files)
    for command in ("prepare_pascal_voc_data", "prepare_data"):
        assert main.main([command, str(source), str(tmp_path / "out")]) == 1
        error = capsys.readouterr().err
        assert (
            "has the set `default`, not train and val: pass --sets default --val-percent 10"
            in error
        )
        assert "truncated" not in error
    arguments = ["--sets", "default", "--val-percent", "50"]
    for command in ("prepare_pascal_voc_data", "prepare_data"):
        out = str(tmp_path / command)
        assert main.main([command, str(source), out, *arguments]) == 0


def test_cvat_with_images_apart(tmp_path):
    files = voc(
        ["a/1", "b/1"], {"train": "a/1\n", "val": "b/1\n"}, label_of=lambda n: label(n, COLOURS)
    )
    files["labelmap.txt"] = LABELMAP
    apart = {name[11:]: files.pop(name) for name in list(files) if name.startswith("JPEG")}
    with pytest.raises(InputError, match=r"no images in JPEGImages: .*images="):
        by_both(tmp_path, files)
    images = pack("zip", tmp_path / "apart", {f"photos/{n}": c for n, c in apart.items()})
    out = by_both(tmp_path, files, images=images)
    check_pairs(out / "train", ["a/1"], (1, 0, 2))
    check_pairs(out / "val", ["b/1"], (1, 0, 2))


def test_supervisely_ignores_its_neutral_colour(tmp_path):
    made = lambda n: label(n, COLOURS, ignored=(3, 4))  # noqa: E731
    files = voc(["a", "b"], {"train": "a\n", "val": "b\n"}, "VOC/", made)
    files["VOC/colors.txt"] = SUPERVISELY
    out = by_both(tmp_path, files, "tar")
    assert (out / "classes.txt").read_text() == "background\nred\nblue\n"
    check_pairs(out / "train", ["a"], ignored=(3, 4))


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize("folder", ["SegmentationClassPNG", "SegmentationClass"])
def test_labelme2voc(tmp_path, form, folder):
    files = {}
    for number in range(4):
        files[f"JPEGImages/im{number}.png"] = image(number)
        files[f"{folder}/im{number}.png"] = label(number)
        files[f"SegmentationClassVisualization/im{number}.png"] = image(number)
        array = io.BytesIO()
        np.save(array, truth(number).astype(np.int32))
        place = "SegmentationClass" if folder.endswith("PNG") else "SegmentationClassNpy"
        files[f"{place}/im{number}.npy"] = array.getvalue()
    files["class_names.txt"] = "_background_\nred\nblue\n"
    files["JPEGImages/unlabelled.png"] = image(9)
    out = by_both(tmp_path, files, form, val_percent=50)
    assert (out / "classes.txt").read_text() == "_background_\nred\nblue\n"
    check_pairs(out / "train", [p.stem for p in (out / "train/images").iterdir()])


def test_arrays_are_labels_where_there_is_nothing_else(tmp_path):
    values = truth(0).astype(np.int32)
    values[2] = -1
    array = io.BytesIO()
    np.save(array, values)
    files = {"JPEGImages/a.png": image(0), "SegmentationClass/a.npy": array.getvalue()}
    out = by_both(tmp_path, files, val_percent=0)
    check_pairs(out / "train", ["a"], ignored=[2])


LISTS = {
    "suffixes": b"a.png\nb.PNG\n",
    "quotes": b'"a"\n"b"\n',
    "columns": b"a  1\r\n\r\nb \t -1  \r\n",
    "a mark": "\ufeffa\r\nb\r\n".encode(),
    "UTF-16": "\ufeffa\r\nb\r\n".encode("utf-16-le"),
    "two columns": b"".join(
        b"/JPEGImages/%s.png /SegmentationClass/%s.png\n" % (id_, id_) for id_ in (b"a", b"b")
    ),
    "carriage returns": b"a\rb\r",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists(tmp_path, kind):
    files = voc(["a", "b", "c"], {"train": LISTS[kind], "val": b"c\n"})
    check_pairs(by_both(tmp_path, files) / "train", ["a", "b"])


NAMES = [
    "photo (1)",
    "cam#2,left",
    "a&b",
    "it's",
    "चित्र",
    "ภาพที่",
    "фото",
    "图片",
    "müll",
    "a.b",
    "x 1",
    "क्\u200dष",
    "写真\u3000一",
]


@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_names(tmp_path, form, written):
    listed = {"NFC": "NFD", "NFD": "NFC"}[written]
    files = voc([unicodedata.normalize(written, name) for name in NAMES], {})
    text = "".join(f"{unicodedata.normalize(listed, name)}\n" for name in NAMES)
    files.update({f"{SETS}/train.txt": text, f"{SETS}/val.txt": "фото\n"})
    out = by_both(tmp_path, files, form)
    found = {unicodedata.normalize("NFC", p.stem) for p in (out / "train/images").iterdir()}
    assert found == {unicodedata.normalize("NFC", name) for name in NAMES}
    check_pairs(out / "val", ["фото"])


@pytest.mark.parametrize(
    "suffix, form, becomes",
    [
        ("bmp", "BMP", "bmp"),
        ("tif", "TIFF", "tif"),
        ("webp", "WEBP", "webp"),
        ("PNG", "PNG", "PNG"),
        ("jfif", "JPEG", "jfif"),
        ("pjpeg", "JPEG", "jpg"),
        ("", "JPEG", "jpg"),
        ("", "PNG", "png"),
    ],
)
def test_images_of_other_suffixes(tmp_path, suffix, form, becomes):
    files = voc(["a", "b.c"], {"train": "a\n", "val": "b.c\n"}, form=form, suffix=suffix)
    source = pack("zip", tmp_path / "source", files)
    for place, prepare in (("out", prepare_data), ("voc", prepare_voc)):
        prepare(source, tmp_path / place)
        names = [
            p.name for s in ("train", "val") for p in (tmp_path / place / s / "images").iterdir()
        ]
        assert names == [f"a.{becomes}", f"b.c.{becomes}"]


@pytest.mark.parametrize("prepare", [prepare_data, prepare_voc])
def test_two_images_of_one_name_are_refused(tmp_path, prepare):
    files = voc(["a", "b"], {"train": "a\n", "val": "b\n"})
    files["JPEGImages/a.bmp"] = image(7, "BMP")
    with pytest.raises(
        InputError, match=r"a may be JPEGImages/a\.(bmp|png) or JPEGImages/a\.(bmp|png)"
    ):
        prepare(pack("folder", tmp_path / "source", files), tmp_path / "out")
    files[f"{SETS}/train.txt"] = "a.bmp\n"  # the list may say which
    files["SegmentationClass/a.png"] = label(7)
    prepare(pack("zip", tmp_path / "source", files), tmp_path / "out")
    check_pairs(tmp_path / "out/train", ["a"])


@pytest.mark.parametrize("prepare", [prepare_data, prepare_voc])
def test_labels_whose_names_have_an_end_of_their_own(tmp_path, prepare):
    files = voc(["a1", "a2"], {"train": "a1\n", "val": "a2\n"})
    for id_ in ("a1", "a2"):
        files[f"SegmentationClass/{id_}_mask.png"] = files.pop(f"SegmentationClass/{id_}.png")
    prepare(pack("folder", tmp_path / "source", files), tmp_path / "out")
    check_pairs(tmp_path / "out/train", ["a1"])


@pytest.mark.parametrize("prepare", [prepare_data, prepare_voc])
def test_rgb_labels_without_a_table_are_vocs(tmp_path, prepare):
    voc_colours = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [224, 224, 192]]
    made = lambda n: label(n, voc_colours, ignored=[0])  # noqa: E731
    files = voc(
        ["a", "b"], {"train": "a\n", "val": "b\n"}, label_of=made, suffix="webp", form="WEBP"
    )
    prepare(pack("zip", tmp_path / "source", files), tmp_path / "out")
    found = read_label(tmp_path / "out/train/labels/a.png", voc_palette())
    assert np.array_equal(found[1:], truth(0)[1:]) and (found[0] == 255).all()


@pytest.mark.parametrize("prepare", [prepare_data, prepare_voc])
@pytest.mark.parametrize(
    "text, words",
    [
        ("", r"`train`, not train and val \(`val` is empty\)"),
        ("gone\n", "gone"),
        ("b\nb.png\n", "b"),
    ],
)
def test_validation_sets_that_cannot_be_used(tmp_path, prepare, text, words):
    files = voc(["a", "b"], {"train": "a\n", "val": text})
    with pytest.raises(InputError, match=words):
        prepare(pack("zip", tmp_path / "source", files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_boxes_alone_are_no_labels(tmp_path):
    files = voc(["a", "b"], {})
    files = {n: c for n, c in files.items() if n.startswith("JPEG")}
    files.update({"ImageSets/Main/train.txt": "a\n", "ImageSets/Main/val.txt": "b\n"})
    files["Annotations/a.xml"] = "<annotation/>"
    for prepare in (prepare_data, prepare_voc):
        with pytest.raises(InputError, match="boxes in Annotations are no masks"):
            prepare(pack("folder", tmp_path / "source", files), tmp_path / "out")


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_zips_of_macos_and_windows(tmp_path, separator):
    files = voc(["müll", "b"], {"train": "müll\n", "val": "b\n"}, "VOC/")
    with zipfile.ZipFile(tmp_path / "voc.zip", "w") as archive:
        for name, content in files.items():
            # Archivers that leave out the mark of UTF-8: its bytes taken for code page 437.
            shown = name.encode().decode("cp437").replace("/", separator)
            info = zipfile.ZipInfo()
            info.filename = shown
            archive.writestr(info, content)
            folder, _, base = shown.rpartition(separator)
            archive.writestr(f"__MACOSX/{folder}/._{base}", b"\0\5\x16\7" + bytes(40))
        archive.writestr(separator.join(["VOC", "JPEGImages", ".DS_Store"]), b"x")
        archive.writestr("VOC\\JPEGImages\\", b"")
    data = (tmp_path / "voc.zip").read_bytes()
    (tmp_path / "voc.zip").write_bytes(without_utf8_flags(data))
    for place, prepare in (("out", prepare_data), ("voc", prepare_voc)):
        prepare(tmp_path / "voc.zip", tmp_path / place)
        check_pairs(tmp_path / place / "train", ["müll"])
        check_pairs(tmp_path / place / "val", ["b"])


def without_utf8_flags(data):
    """A zip whose names, written as UTF-8 because of their letters, are bytes of code page 437."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = [(info.filename, archive.read(info)) for info in archive.infolist()]
    out = bytearray()
    directory = bytearray()
    for name, content in files:
        raw = name.encode("cp437")
        common = struct.pack(
            "<HHHHHIIIHH",
            20,
            0,
            0,
            0,
            33,
            zlib.crc32(content),
            len(content),
            len(content),
            len(raw),
            0,
        )
        directory += (
            b"PK\1\2"
            + struct.pack("<H", 20)
            + common
            + struct.pack("<HHHII", 0, 0, 0, 0, len(out))
            + raw
        )
        out += b"PK\3\4" + common + raw + content
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(out), 0)
    return bytes(out + directory + b"PK\5\6" + end)


def test_grey_labels_are_decoded_as_before(tmp_path):
    files = voc(["a", "b"], {"train": "a\n", "val": "b\n"}, label_of=lambda n: encoded(truth(n)))
    check_pairs(by_both(tmp_path, files) / "train", ["a"])
