"""Damaged files of settings, lists and pictures end in our error, with the file's name."""

import io
import json
import os
import pickle
import time

import numpy as np
import pytest
from digits_folders import write_job, write_model
from PIL import Image

from caffeformat import FormatError, InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit.data_prep.layouts.coco.masks import mask_of
from fcnkit.datasets import DatasetFolder, parse_options, read_job
from fcnkit.images import read_class_names, read_colour_map, read_palette
from fcnkit.surgery import name_map
from fcnkit.training import curves, read_run

HUGE = "9" * 5000
DEEP = "[" * 20_000


def paletted(tmp_path):
    file = io.BytesIO()
    image = Image.fromarray(np.zeros((40, 40), np.uint8)).convert("P")
    image.putpalette(bytes(range(256)) * 3)
    image.save(file, "PNG")
    data = bytearray(file.getvalue())
    at = data.index(b"IDAT") + 6
    data[at : at + 9] = b"\xff" * 9
    return bytes(data)


@pytest.mark.parametrize(
    "settings",
    [
        "not JSON", DEEP, f'{{"mean": [{HUGE}]}}', "[]", "{}",
        '{"mean": 1, "scale": 1, "classes": []}',
        f'{{"mean": null, "scale": {"9" * 400}, "classes": null}}',
        '{"mean": null, "scale": NaN, "classes": null}',
        '{"mean": [1e999], "scale": 1, "classes": null}',
        '{"mean": null, "scale": 1, "classes": [1, 2]}',
        '{"mean": null, "scale": 1, "classes": null, "palette": [[1, 2, 999999999999]]}',
        '{"mean": null, "scale": 1, "classes": null, "palette": {"a": 1}}',
        '{"mean": null, "scale": 1, "classes": null, "ignore": 1e400}',
    ],
)  # fmt: skip
def test_settings_of_a_run(tmp_path, settings):
    (tmp_path / "inference.json").write_text(settings)
    with pytest.raises(FormatError, match=r"inference\.json: "):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "text", ["not JSON", DEEP, f'{{"ignore_label": {HUGE}}}', '{"splits": {"train": 5}}',
             '{"splits": {"train": {"class_pixels": {"a": 99999999999999999999}}}}'],
)  # fmt: skip
def test_a_manifest_that_cannot_be_read_counts_as_none(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    folder = DatasetFolder(tmp_path)
    assert folder.ignore == 255 and folder.class_pixels("train") is None


@pytest.mark.parametrize("text", [f"0 0 {HUGE}\n", "0 0 256\n", "0 0 -1\n", "0 0 ٣\n", "a b c\n"])
def test_palettes(tmp_path, text):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(FormatError, match=r"p\.txt:1: expected a colour"):
        read_palette(tmp_path / "p.txt")


@pytest.mark.parametrize("read", [read_palette, read_class_names])
@pytest.mark.parametrize("line", [f"neutral 1 1 {HUGE}\n", f"# label:color_rgb\na:0,0,{HUGE}::\n"])
def test_tables_of_classes(tmp_path, read, line):
    (tmp_path / "t.txt").write_text(line)
    try:
        read(tmp_path / "t.txt")
    except InputError as error:
        assert "t.txt" in str(error)


@pytest.mark.slow
def test_long_lists_take_no_long_time(tmp_path):
    names, table = tmp_path / "names.txt", tmp_path / "table.csv"
    names.write_text("".join(f"{i}\n" for i in range(140_000)))
    colours = (f"a{i},{i >> 16},{i >> 8 & 255},{i & 255}\n" for i in range(60_000))
    table.write_text("name,r,g,b\n" + "".join(colours))
    begun = time.process_time()
    for read, path in (
        (read_class_names, names), (read_class_names, table), (read_palette, table),
        (read_colour_map, table),
    ):  # fmt: skip
        with pytest.raises(FormatError, match="expected 1 to 25"):
            read(path)
    assert time.process_time() - begun < 10


def test_a_damaged_picture_as_palette(tmp_path):
    (tmp_path / "f.txt").write_bytes(paletted(tmp_path))
    with pytest.raises(InputError, match=r"f\.txt: the image is damaged"):
        read_palette(tmp_path / "f.txt")


def test_numbers_of_a_digits_job(tmp_path):
    userdata = {"class_labels": ["a", 10**5000]}
    write_job(tmp_path, "ImageDatasetJob", protocol=2, extension_userdata=userdata)
    assert read_job(tmp_path).class_names is None
    write_job(tmp_path, "ImageDatasetJob", extension_userdata={"class_labels": ["a", 5]})
    assert read_job(tmp_path).class_names == ["a", "5"]


@pytest.mark.parametrize("text", [DEEP, HUGE, "[]", "{"])
def test_info_of_a_digits_model(tmp_path, text):
    models = pytest.importorskip("fcnkit.digits.models")
    write_model(tmp_path)
    (tmp_path / "info.json").write_text(text)
    with pytest.raises(FormatError, match=r"info\.json: "):
        models.DigitsModel(tmp_path)


@pytest.mark.parametrize("text", [DEEP, f'{{"batch_size": {HUGE}}}', "5", "{"])
def test_options_of_a_layer(text):
    with pytest.raises(InputError, match="layer data"):
        parse_options(text, "data")


@pytest.mark.parametrize(
    "content",
    [
        {"scores": b"no array", "blob": b"x", "image": b"y"},
        {"scores.npy": b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, (",
         "blob.npy": b"", "image.npy": b""},
        {},
    ],
)  # fmt: skip
def test_scores_that_are_none(tmp_path, content):
    import zipfile

    samples = pytest.importorskip("fcnkit.web.samples")
    path = str(tmp_path / "f_scores.npz")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    with pytest.raises(InputError, match=r"f_scores\.npz: "):
        samples.read_scores(path)


def test_maps_of_names_and_logs(tmp_path):
    (tmp_path / "map").write_bytes(b"a=b\n\xff=c\n")
    with pytest.raises(FormatError, match="map: is not a list of names in UTF-8"):
        name_map([str(tmp_path / "map")])
    line = "I0302 23:05:53.660122 1 solver.cpp:239] Iteration {}, loss = {}\n"
    log = "".join(line.format(*pair) for pair in ((HUGE, 1), (1, "1.2.3"), (2, HUGE), (3, 0.5)))
    (tmp_path / "train.log").write_text(log + "Iteration 1" * 100_000)
    assert {row["iteration"] for row in curves.parse_log(str(tmp_path / "train.log"))} >= {3}


def test_polygons_that_ask_for_much(tmp_path):
    square = [0, 0, 8000, 0, 8000, 8000, 0, 8000]
    with pytest.raises(FormatError, match=r"a\.json: .*cover the image more than 16 times"):
        mask_of([square] * 100_000, 1000, 1000, "a.json")
    far = [2e9, 2e9, 2.1e9, 2e9, 2.1e9, 2.1e9]
    assert not mask_of([far] * 1000, 1000, 1000, "a.json").any()


@pytest.mark.parametrize("kind", [".caffemodel", ".safetensors", ".onnx", ".pt"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_exported(tmp_path, needs_engine, kind, value):
    export = pytest.importorskip("fcnkit.export")
    net = parse_text(
        'name: "n" layer { name: "data" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } } "
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
        "convolution_param { num_output: 2 kernel_size: 1 } }",
        pb.NetParameter,
    )
    weights = Weights({"conv": [np.ones((2, 3, 1, 1), np.float32), np.array([1, value], "f4")]})
    write_caffemodel(tmp_path / "w.caffemodel", weights, net)
    path = tmp_path / f"out{kind}"
    with pytest.raises(InputError, match="layer 'conv': 1 of the 2 values of its blob 1 are NaN"):
        export.write_parameters(str(path), net, weights)
    assert not path.exists()


def test_errors_stay_short(tmp_path):
    write_job(tmp_path)
    (tmp_path / "status.pickle").write_bytes(
        pickle.dumps({"x" * 10_000: 1})[:-3] + b"c" + b"y" * 9000
    )
    with pytest.raises(InputError) as caught:
        read_job(tmp_path)
    assert len(str(caught.value)) < 1000 + len(os.fspath(tmp_path))
    (tmp_path / "manifest.json").write_text(json.dumps({"a" * 9000: 1}))
    with pytest.raises(InputError) as caught:
        read_run(tmp_path)
    assert len(str(caught.value)) < 1000 + 2 * len(os.fspath(tmp_path))
