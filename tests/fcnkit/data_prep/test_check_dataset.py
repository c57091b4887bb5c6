import json

import numpy as np
import pytest
from PIL import Image
from voc_archive import IDS, encoded, voc_files

from caffeformat import LmdbWriter, encoded_datum
from fcnkit.commands import main
from fcnkit.data_prep import (
    Form,
    check_entries,
    create_lmdb,
    database_entries,
    find_splits,
    folder_entries,
)
from fcnkit.images import read_label, read_rgb, voc_class_names, voc_palette


def check(folder, names=None, colours=None, workers=1):
    def entries():
        return folder_entries(folder / "images", folder / "labels")

    return check_entries(entries, names, colours, workers).as_dict()


@pytest.fixture
def train(voc_folders):
    return voc_folders / "train"


def test_a_sound_dataset_is_described(train):
    facts = check(train, voc_class_names())
    assert facts["problems"] == {}
    assert (facts["images"], facts["labels"]) == (3, 3)
    assert facts["label_kinds"] == {"paletted": 3}
    assert facts["sizes"] == {"24x36": 1, "32x32": 1, "40x30": 1}
    labels = [read_label(train / "labels" / f"{id_}.png").ravel() for id_ in IDS["train"]]
    counts = np.bincount(np.concatenate(labels), minlength=256)
    assert [row["pixels"] for row in facts["classes"]] == counts[:21].tolist()
    assert facts["ignored_share"] == pytest.approx(counts[255] / counts.sum())
    assert facts["classes"][15]["name"] == "person" and facts["classes"][15]["labels"] == 3


def test_weights_count_only_images_that_have_the_class(tmp_path):
    first, second = np.zeros((10, 10)), np.zeros((10, 10))
    first[:2] = 1
    second[9] = 255
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    black = encoded(np.zeros((10, 10, 3), np.uint8), "PNG")
    for i, classes in enumerate((first, second)):
        (tmp_path / "images" / f"{i}.png").write_bytes(black)
        (tmp_path / "labels" / f"{i}.png").write_bytes(encoded(classes.astype(np.uint8), "PNG"))
    rows = check(tmp_path)["classes"]
    frequencies = [170 / 190, 20 / 100]
    median = sum(frequencies) / 2
    assert [row["weight"] for row in rows] == pytest.approx([median / f for f in frequencies])


def spoil(train):
    """Every problem once; returns what has to be found."""
    images, labels = train / "images", train / "labels"
    one, two, three = IDS["train"]
    classes = read_label(labels / f"{one}.png")
    classes[0, 0] = 77
    other = voc_palette().copy()
    other[1] = 5
    (labels / f"{one}.png").write_bytes(encoded(classes, "PNG", voc_palette()))
    (labels / f"{two}.png").write_bytes(encoded(np.ones((8, 9), np.uint8), "PNG", other))
    (images / f"{three}.jpg").write_bytes((images / f"{three}.jpg").read_bytes()[:300])
    (labels / f"{three}.png").write_bytes(encoded(np.zeros((36, 24, 3), np.uint8), "PNG"))
    (images / "alone.png").write_bytes(encoded(np.zeros((3, 3, 3), np.uint8), "PNG"))
    (labels / "stray.png").write_bytes(encoded(np.zeros((3, 3), np.uint8), "PNG", voc_palette()))
    return {
        "unreadable": f"{three}.jpg",
        "image without label": "alone",
        "label without image": "stray",
        "sizes differ": f"{two}: label 9 x 8, image 32 x 32",
        "colours for classes": f"{three}: RGB",
        "past the classes": f"{one}: 77 (of 21)",
        "another palette": two,
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_every_problem_is_found_and_named(train, workers):
    expected = spoil(train)
    problems = check(train, voc_class_names(), workers=workers)["problems"]
    assert list(problems) == list(expected)
    for problem, words in expected.items():
        assert len(problems[problem]) == 1 and words in problems[problem][0]


def test_kinds_that_are_not_read_are_not_called_missing(train):
    one, two, _ = IDS["train"]
    image = next(path for path in (train / "images").iterdir() if path.stem == one)
    image.with_suffix(".heic").write_bytes(b"\0\0\0\x18ftypheic")
    image.unlink()
    (train / "labels" / f"{two}.png").rename(train / "labels" / f"{two}.jp2")
    problems = check(train, voc_class_names())["problems"]
    assert list(problems) == ["unreadable"]
    first, second = sorted(problems["unreadable"], key=lambda text: ".jp2" in text)
    assert f"{one}.heic: files of this kind are not read: convert it" in first
    assert f"{two}.jp2: files of this kind are not read: convert it" in second


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_labels_are_counted_through_a_colour_map(train, mode):
    for id_ in IDS["train"]:
        path = train / "labels" / f"{id_}.png"
        Image.fromarray(read_rgb(path)).convert(mode).save(path)
    facts = check(train, voc_class_names())
    assert facts["label_kinds"] == {mode: 3}
    assert len(facts["problems"]["colours for classes"]) == 3
    facts = check(train, voc_class_names(), colours=voc_palette())
    assert facts["problems"] == {} and facts["classes"][15]["labels"] == 3


def test_databases_are_described_as_their_folders(voc_folders, tmp_path):
    for encoding in ("png", "raw"):
        out = tmp_path / encoding
        train, val = find_splits(voc_folders)
        create_lmdb(train, val, out, form=Form(encoding, encoding))

        def entries(place=out / "train_db"):
            return database_entries(place / "features", place / "labels")

        ours = check_entries(entries).as_dict()
        folders = check(voc_folders / "train")
        assert ours["label_kinds"] == {"grey": 3}
        for key in ("classes", "sizes", "ignored_share", "problems"):
            assert ours[key] == folders[key]


def test_paletted_labels_in_a_database_are_a_problem(tmp_path, capsys):
    label = next(v for k, v in voc_files().items() if "SegmentationClass" in k)
    photo = next(v for k, v in voc_files().items() if "JPEGImages" in k)
    for kind, data, keys in (("features", photo, b"01"), ("labels", label, b"0")):
        with LmdbWriter(tmp_path / "train_db" / kind) as writer:
            for key in keys:
                writer.put(bytes([key]), encoded_datum(data).SerializeToString())
    assert main.main(["check_dataset", str(tmp_path), "--json", "-"]) == 1
    problems = json.loads(capsys.readouterr().out)["train"]["problems"]
    assert list(problems) == ["image without label", "palette in database"]


@pytest.mark.slow
def test_command_prints_tables_and_writes_json_and_sheet(voc_folders, tmp_path, capsys):
    sheet, report = tmp_path / "sheet.png", tmp_path / "report.json"
    options = [
        "--classes",
        "voc",
        "--json",
        str(report),
        "--sheet",
        str(sheet),
        "--sheet-rows",
        "2",
    ]
    assert main.main(["check_dataset", str(voc_folders), *options]) == 0
    out = capsys.readouterr().out
    assert "train (folders): 3 images" in out and "val (folders): 1 images" in out
    assert "15 person" in out and "no problems found" in out
    assert json.loads(report.read_text())["train"]["images"] == 3
    pixels = read_rgb(sheet)
    present = {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
    assert tuple(voc_palette()[15].tolist()) in present


def test_command_reports_problems_by_its_status(train, tmp_path, capsys):
    spoil(train)
    options = ["--images", str(train / "images"), "--labels", str(train / "labels")]
    sheet = tmp_path / "sheet.png"
    assert main.main(["check_dataset", *options, "--sheet", str(sheet)]) == 1
    out = capsys.readouterr().out
    assert "! unreadable (1)" in out and "! image without label (1)" in out
    assert read_rgb(sheet).ndim == 3
    assert main.main(["check_dataset", str(tmp_path)]) == 1
    assert "found neither" in capsys.readouterr().err
    for name in ("images", "labels"):
        (tmp_path / "empty" / name).mkdir(parents=True)
    assert main.main(["check_dataset", str(tmp_path / "empty")]) == 1
    assert "empty/images" in capsys.readouterr().err
