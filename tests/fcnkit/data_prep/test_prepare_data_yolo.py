"""YOLO's polygons: text files as Ultralytics, Roboflow, CVAT and Label Studio lay them out."""

import numpy as np
import pytest
from labelled_data import check_pairs, image, pack, polygons, prepare_export

from caffeformat import InputError
from fcnkit.images import read_label

NAMES = "nc: 2\nnames: ['red', 'blue']\n"


def text(number):
    """The label of image `number`, a line per block."""
    return "".join(
        f"{class_ - 1} {' '.join(f'{x / 30:.6f} {y / 20:.6f}' for x, y in corners)}\n"
        for class_, corners in polygons(number)
    )


# Places of images and labels, and the file that names the classes
LAYOUTS = {
    "Roboflow": ("{set}/images/{n}.png", "{set}/labels/{n}.txt", ("data.yaml", NAMES)),
    "Ultralytics": (
        "images/{set}2017/{n}.png",
        "labels/{set}2017/{n}.txt",
        ("coco8-seg.yaml", "path: ../x\nnames:\n  0: red\n  1: blue\n"),
    ),
    "Darknet": (
        "data/obj_{set}_data/{n}.png",
        "data/obj_{set}_data/{n}.txt",
        ("data/obj.names", "red\nblue\n"),
    ),
    "apart": ("{set}/pics/{n}.png", "annotated/{n}.txt", ("classes.txt", "red\nblue\n")),
}


def laid_out(image_at, label_at, classes):
    files = dict([classes])
    for name, numbers in {"train": (0, 1), "val": (2, 3)}.items():
        for number in numbers:
            files[image_at.format(set=name, n=number)] = image(number)
            files[label_at.format(set=name, n=number)] = text(number)
    return files


def test_poses_are_no_outlines(tmp_path):
    """With two numbers per point, a box and three points look like five corners."""
    files = laid_out(*LAYOUTS["Ultralytics"])
    files["coco8-seg.yaml"] = "kpt_shape: [3, 2]\nnames:\n  0: red\n  1: blue\n"
    with pytest.raises(InputError, match=r"coco8-seg.yaml: says kpt_shape, .* export polygons"):
        prepare_export(tmp_path, files)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_texts_of_windows_are_read(tmp_path, encoding):
    files = laid_out(*LAYOUTS["Roboflow"])
    for name in [name for name in files if name.endswith(".txt")]:
        files[name] = files[name].replace("\n", "\r\n").encode(encoding)
    prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["0", "1"])


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_polygons_become_labels(tmp_path, layout, form):
    prepared, _ = prepare_export(tmp_path, laid_out(*LAYOUTS[layout]), form)
    assert prepared.names == ["background", "red", "blue"]
    check_pairs(tmp_path / "out/train", ["0", "1"])
    check_pairs(tmp_path / "out/val", ["2", "3"])


def test_names_order_the_classes_and_images_may_lie_apart(tmp_path):
    files = laid_out(*LAYOUTS["Roboflow"])
    photos = {name: content for name, content in files.items() if name.endswith(".png")}
    apart = pack("zip", tmp_path / "photos", photos)
    labels = {name: content for name, content in files.items() if name not in photos}
    names = ["background", "blue", "red"]
    prepared, _ = prepare_export(tmp_path, labels, images=apart, classes=names)
    assert prepared.names == names
    check_pairs(tmp_path / "out/train", ["0", "1"], (0, 2, 1))


def test_images_without_objects_are_left_out_or_background(tmp_path):
    files = laid_out(*LAYOUTS["Roboflow"])
    files.update({"train/images/7.png": image(7), "train/labels/7.txt": ""})
    files["train/images/8.png"] = image(8)
    _, notes = prepare_export(tmp_path, files)
    check_pairs(tmp_path / "out/train", ["0", "1"])
    assert any("2 images without label" in note and "`empty`" in note for note in notes)
    prepare_export(tmp_path / "with", files, empty=True)
    for number in (7, 8):
        assert not read_label(tmp_path / f"with/out/train/labels/{number}.png").any()


def test_overlapping_objects_are_ignored_unless_the_later_one_counts(tmp_path):
    lines = "0 0 0 .5 0 .5 .5 0 .5\n1 .2 0 1 0 1 .5 .2 .5\n"
    for overlap, between in ((None, 255), ("later", 2)):
        files = {"a.png": image(0), "a.txt": lines, "classes.txt": "red\nblue\n"}
        prepare_export(tmp_path / str(overlap), files, val_percent=0, overlap=overlap)
        found = read_label(tmp_path / str(overlap) / "out/train/labels/a.png")
        row = np.repeat([1, between, 2], [6, 9, 15])
        assert np.array_equal(found[:10], np.tile(row, (10, 1))) and not found[10:].any()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 .5 .5 .2 .2", r"a\.txt: line 2 is a box, not an outline: export polygons"),
        ("0 .5 .5 .2 .2 .3 .3 .1", "line 2: expected a class and pairs of x and y"),
        ("2 0 0 1 0 1 1", r"line 2: the class 2, but there are names of 2 \(0 to 1\)"),
        ("0 0 0 2 0 2 2", "line 2: corners have to be shares"),
        ("0 0 0 nan 0 1 1", "line 2: corners have to be shares"),
        ("0 0 0 1 x 1 1", "line 2: expected numbers"),
    ],
)
def test_lines_that_are_no_polygons_are_named(tmp_path, line, words):
    files = {"images/a.png": image(0), "labels/a.txt": f"0 0 0 1 0 1 1\n{line}\n"}
    files["data.yaml"] = NAMES
    with pytest.raises(InputError, match=words):
        prepare_export(tmp_path, files)


def test_what_is_missing_is_asked_for(tmp_path):
    files = {"images/a.png": image(0), "labels/a.txt": "0 0 0 1 0 1 1\n"}
    with pytest.raises(InputError, match=r"numbers without names: put a classes\.txt beside"):
        prepare_export(tmp_path, files)
    files.update({"classes.txt": "red\n", "labels/b.txt": "0 0 0 1 0 1 1\n"})
    with pytest.raises(InputError, match=r"labels/b\.txt: there is no image for this label"):
        prepare_export(tmp_path, files)
    del files["images/a.png"]
    with pytest.raises(InputError, match="YOLO's labels as text without images"):
        prepare_export(tmp_path / "alone", files)
