"""Labelled data of each kind from its files to scores: prepared, trained on, segmented, scored."""

import io
import json

import numpy as np
import pytest
import tifffile
from labelled_data import SHADES, encoded, image, label, pack, truth
from low_bit_png import low_bit_png
from PIL import Image

from fcnkit.commands import main
from fcnkit.images import read_label
from fcnkit.training import curves

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_engine")]

_TURN = {5: Image.TRANSPOSE, 6: Image.ROTATE_90, 7: Image.TRANSVERSE, 8: Image.ROTATE_270}
COLOURS = [[0, 0, 0], [48, 112, 32], [176, 112, 32], [250, 250, 250]]

NET = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TRAIN }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" include { phase: TEST }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TEST }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "small" type: "Power" bottom: "data" top: "small" power_param { scale: 0.01 } }
layer { name: "score" type: "Convolution" bottom: "small" top: "score"
  convolution_param { num_output: CLASSES kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } }
"""
SOLVER = (
    'net: "net.prototxt" base_lr: 0.5 momentum: 0.9 lr_policy: "fixed" max_iter: 120 '
    'test_interval: 120 snapshot: 120 snapshot_prefix: "s" random_seed: 1\n'
)


def turned_jpeg(number, turn):
    """Image `number` as a photograph that viewers turn."""
    exif = Image.Exif()
    exif[0x0112] = turn
    file = io.BytesIO()
    stored = Image.fromarray(SHADES[truth(number)]).transpose(_TURN[turn])
    stored.save(file, "JPEG", quality=100, subsampling=0, exif=exif)
    return file.getvalue()


def turned_tiff(array, turn):
    """`array` as an uncompressed TIFF that is shown turned, so that it is what is shown."""
    file = io.BytesIO()
    stored = np.asarray(Image.fromarray(array).transpose(_TURN[turn]))
    tifffile.imwrite(file, stored, extratags=[(274, 3, 1, turn, True)])
    return file.getvalue()


def floats(number):
    file = io.BytesIO()
    tifffile.imwrite(file, truth(number).astype(np.float64))
    return file.getvalue()


def table_with_ignore():
    return {
        "class_dict.csv": "name,r,g,b\nbackground,0,0,0\nignore,250,250,250\nred,48,112,32\n"
        "blue,176,112,32\n"
    }


# Of each kind: an image, its suffix, a label, its suffix; other files; options of prepare_data and
# of create_lmdb; rows of each label that are ignored
KINDS = {
    "photographs turned by EXIF": (lambda n: turned_jpeg(n, 5 + n % 4), "jpg", label, "png"),
    "turned TIFFs": (
        lambda n: turned_tiff(SHADES[truth(n)], 6),
        "tif",
        lambda n: turned_tiff(truth(n), 8),
        "tif",
    ),
    "grey turned TIFFs, float labels": (
        lambda n: turned_tiff(truth(n) * np.uint8(120), 6),
        "tif",
        floats,
        "tif",
    ),
    "grey labels of four bits": (image, "png", lambda n: low_bit_png(truth(n), 4), "png"),
    "colours of a table, some ignored": (
        image,
        "png",
        lambda n: label(n, COLOURS, [0]),
        "png",
        table_with_ignore(),
        [],
        [],
        [0],
    ),
    "values of a table": (
        image,
        "png",
        lambda n: encoded(np.array([7, 0, 3], np.uint8)[truth(n)]),
        "png",
        {"_classes.csv": "Pixel Value, Class\n0, red\n3, blue\n7, background\n"},
        ["--classes", "names.txt"],
    ),
    "images of 12 bits": (
        lambda n: encoded(truth(n).astype(np.uint16) * np.uint16(2000)),
        "png",
        label,
        "png",
        {},
        [],
        ["--white", "4095"],
    ),
}


def run(command, *arguments):
    assert main.main([command, *map(str, arguments)]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_right_pixels_and_indices_all_the_way(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(curves, "plot", lambda *_: None)
    image_of, image_suffix, label_of, label_suffix, *more = KINDS[kind]
    others, prepare, create, ignored = [*more, *({}, [], [], [])[len(more) :]]
    files = dict(others)
    for number in range(4):
        files[f"images/im{number}.{image_suffix}"] = image_of(number)
        files[f"labels/im{number}.{label_suffix}"] = label_of(number)
    (tmp_path / "names.txt").write_text("background\nred\nblue\n")
    pack("folder", tmp_path / "source", files)
    run("prepare_data", "source", "data", "--val-percent", "25", *prepare)
    run("create_lmdb", "data", "lmdb", *create)
    (tmp_path / "net.prototxt").write_text(NET.replace("CLASSES", "3"))
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    run("train", "solver.prototxt", "-o", "run", "--data", "lmdb")
    for split in ("train", "val"):
        run("infer", f"data/{split}/images", "--run", "run", "-o", f"masks_{split}")
        for path in (tmp_path / "data" / split / "labels").iterdir():
            expected = truth(int(path.stem[-1]))
            mask = read_label(tmp_path / f"masks_{split}" / path.name)
            assert np.array_equal(mask, expected), path
            expected[ignored] = 255
            assert np.array_equal(read_label(path), expected), path
        masks = ["--predictions", f"masks_{split}", "--labels", f"data/{split}/labels"]
        for what in (["--run", "run", "--data", "lmdb", "--split", split],
                     ["--run", "run", "--data", "data", "--split", split],
                     [*masks, "--classes", "names.txt"]):  # fmt: skip
            capsys.readouterr()
            run("score", *what, "--json", "-")
            assert json.loads(capsys.readouterr().out)["mean_iou"] == 1, what
