"""`fcnkit compare_models`: two models held against each other on images."""

import json
import re
import tarfile

import numpy as np
import pytest
from PIL import Image

from caffeformat import parse_text, pb, write_caffemodel, write_text
from fcnkit.commands import compare_models, main
from fcnkit.digits import write_archive
from fcnkit.export import files
from fcnkit.images import Preprocessor
from fcnkit.inference.comparison import Comparison

pytest.importorskip("torch")

NET = """
name: "tiny" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 20 dim: 20 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 3 kernel_size: 1 } }
"""


def weights(bias):
    """Class 0 for dark pixels, 1 for green and 2 for red ones; `bias` is added to class 0."""
    matrix = np.array([[0, 0, 0], [0, 1, -1], [0, -1, 1]], np.float32)
    return {"score": [matrix[:, :, None, None], np.array([50 + bias, 0, 0], np.float32)]}


@pytest.fixture
def models(tmp_path):
    """(net, weights, weights that differ a little, folder of two images), as text."""
    net = parse_text(NET, pb.NetParameter)
    write_text(tmp_path / "net.prototxt", net)
    for name, bias in (("one", 0), ("other", 20)):
        write_caffemodel(tmp_path / f"{name}.caffemodel", weights(bias), net)
    image = np.zeros((12, 10, 3), np.uint8)
    image[:6, :, 0] = 200  # red in both
    image[9:, :5, 1] = 60  # green by 10 in one, dark in the other
    (tmp_path / "images").mkdir()
    Image.fromarray(image).save(tmp_path / "images/square.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images/black.png")
    names = ("net.prototxt", "one.caffemodel", "other.caffemodel", "images")
    return [str(tmp_path / name) for name in names]


def run(*arguments):
    return main.run_module(compare_models, [*map(str, arguments)])


def test_scores_masks_and_iou_are_compared(models, tmp_path, capsys):
    net, one, other, images = models
    found = ["--json", tmp_path / "found.json", "--sheet", tmp_path / "sheet.png"]
    assert run(images, "--first", net, one, "--second", net, other, *found) == 0
    said = capsys.readouterr().out
    assert re.search(r"most:\n  square: 12\.5000% of the pixels, scores by 1\.0e-01", said)
    assert re.search(r"same class +91\.8478%", said)  # 169 of 184

    data = json.loads((tmp_path / "found.json").read_text())
    assert data["equal_pixels"] == pytest.approx(169 / 184)
    assert data["largest_score_difference"] == pytest.approx(20)
    iou = {entry["index"]: entry["iou"] for entry in data["classes"]}
    assert iou == pytest.approx({0: (64 + 45) / (64 + 60), 1: 0, 2: 1})
    unequal = {image["name"]: image["unequal"] for image in data["images"]}
    assert unequal == pytest.approx({"square": 15 / 120, "black": 0})
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert (np.asarray(sheet) == (255, 0, 0)).all(2).any()


@pytest.mark.slow
def test_too_few_equal_pixels_give_1(models, capsys):
    net, one, other, images = models
    both = [images, "--first", net, one, "--second", net, other]
    assert run(*both, "--at-least", 0.9) == 0
    assert run(*both, "--at-least", 0.95) == 1
    assert "expected at least 95" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("argmax", [False, True])
def test_a_caffemodel_agrees_with_its_onnx_model(models, tmp_path, capsys, argmax):
    pytest.importorskip("onnxruntime")
    net, one, _, images = models
    message = files.deployed(parse_text(NET, pb.NetParameter))
    inside = {"preprocessor": Preprocessor([1, 2, 3], 0.5), "argmax": argmax}
    files.write_parameters(tmp_path / "m.onnx", message, weights(0), **inside)
    mean = ["--mean", "1,2,3", "--input-scale", 0.5, "--at-least", 1]
    assert run(images, "--first", net, one, "--second", tmp_path / "m.onnx", *mean) == 0
    said = capsys.readouterr().out
    assert "100.0000%" in said
    assert ("largest difference of scores" in said) is not argmax


def test_the_scale_of_the_input_is_applied(models):
    net, one, other, images = models
    both = [images, "--first", net, one, "--second", net, other, "--at-least", 1]
    both += ["--runtime", "torch"]
    assert run(*both) == 1
    assert run(*both, "--input-scale", 0.1) == 0  # too dark for any class but 0


@pytest.mark.parametrize(
    "second, said",
    [
        (["net.prototxt"], "a model: NET"),
        (["missing.onnx"], "no such file"),
        (["net.prototxt", "missing.caffemodel"], "no such file"),
    ],
)
def test_what_is_no_model_is_said(models, capsys, monkeypatch, tmp_path, second, said):
    monkeypatch.chdir(tmp_path)
    net, one, _, images = models
    assert run(images, "--first", net, one, "--second", *second) == 1
    assert said in capsys.readouterr().err


def test_a_download_of_digits_is_a_model(models, tmp_path, capsys):
    net, one, other, images = models
    message = parse_text(NET, pb.NetParameter)
    mean = Preprocessor([1, 2, 3])
    write_archive(tmp_path / "one.tar.gz", message, weights(0), mean, None, 1)
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        archive.extractall(tmp_path / "job", filter="data")
    words = ["--at-least", 1, "--runtime", "torch"]
    first = ["--first", net, one, "--mean", "1,2,3"]
    assert run(images, *first, "--second", tmp_path / "one.tar.gz", *words) == 0
    assert run(images, "--first", net, other, "--second", tmp_path / "job", *words) == 1
    capsys.readouterr()
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    assert run(images, "--first", net, one, "--second", tmp_path / "x.tar.gz") == 1
    assert "x.tar.gz" in capsys.readouterr().err


@pytest.mark.slow
def test_models_of_other_classes_are_refused(models, tmp_path, capsys):
    net, one, _, images = models
    other = parse_text(NET.replace("num_output: 3", "num_output: 2"), pb.NetParameter)
    write_text(tmp_path / "two.prototxt", other)
    fewer = {"score": [blob[:2] for blob in weights(0)["score"]]}
    write_caffemodel(tmp_path / "two.caffemodel", fewer, other)
    two = [tmp_path / "two.prototxt", tmp_path / "two.caffemodel"]
    assert run(images, "--first", net, one, "--second", *two) == 1
    assert "the same classes" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_told_and_leave_valid_json(models, tmp_path, capsys, wrong):
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    net, one, _, images = models
    message = files.deployed(parse_text(NET, pb.NetParameter))
    files.write_parameters(tmp_path / "m.onnx", message, weights(0))
    # A file that somebody else wrote: export itself refuses such weights.
    model = onnx.load(tmp_path / "m.onnx")
    (bias,) = [each for each in model.graph.initializer if list(each.dims) == [3]]
    values = onnx.numpy_helper.to_array(bias).copy()
    values[2] = wrong
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(model, tmp_path / "m.onnx")
    both = [images, "--first", net, one, "--second", tmp_path / "m.onnx"]
    assert run(*both, "--json", tmp_path / "found.json") == 0
    line = "not finite numbers: square: of 360 scores, 0 of the first model's and 120 of the second"
    assert line in capsys.readouterr().out
    data = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)
    assert data["largest_score_difference"] is None
    assert len(data["problems"]) == 2
    assert all(image["largest"] is None and image["problem"] for image in data["images"])
    assert run(*both, "--at-least", 0) == 1
    assert "not finite numbers agree with nothing" in capsys.readouterr().err


def test_where_both_models_lack_a_number_the_others_are_compared():
    ours = np.array([[[1.0, np.nan]], [[2.0, np.inf]]], np.float32)
    theirs = ours + np.array([[[0.5, 0]], [[0, 0]]], np.float32)
    found = Comparison().add("i", "i.png", None, *((s, s[0] > 9) for s in (ours, theirs)))
    assert (found.largest, found.relative) == (0.5, 0.25)
    assert found.problem.startswith("of 4 scores, 2 of the first")


def test_the_worst_images_are_those_of_most_pixels_and_then_of_scores():
    comparison = Comparison(keep=2)
    for name, apart, unequal in (("a", 0.1, 0), ("b", 0.3, 0), ("c", 0.2, 1), ("d", 0.2, 0)):
        scores, mask = np.ones((2, 1, 1), np.float32), np.zeros((1, 1), np.uint8)
        comparison.add(name, "", None, (scores, mask), (scores + apart, mask + unequal))
    assert [found.name for found, *_ in comparison.worst] == ["c", "b"]
