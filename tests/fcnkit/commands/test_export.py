"""`fcnkit export`: nets and weights out to other frameworks and back."""

import json
import re

import numpy as np
import pytest

from caffeformat import parse_text, pb, read_caffemodel, write_caffemodel, write_text
from fcnkit.commands import export, main
from fcnkit.export import check as export_check
from fcnkit.export import files as export_files

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

NET = """
name: "tiny" layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 40 dim: 40 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "norm" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  include { phase: TRAIN } }
"""
SHAPES = {
    "conv": [(4, 3, 3, 3), (4,)],
    "norm": [(4,), (4,), (1,)],
    "scale": [(4,), (4,)],
    "up": [(4, 4, 4, 4)],
}


@pytest.fixture
def files(tmp_path):
    """A net and its weights, as paths (text)."""
    net = parse_text(NET, pb.NetParameter)
    random = np.random.RandomState(0)
    weights = {
        name: [(0.1 + random.rand(*shape)).astype(np.float32) for shape in shapes]
        for name, shapes in SHAPES.items()
    }
    write_text(tmp_path / "net.prototxt", net)
    write_caffemodel(tmp_path / "w.caffemodel", weights, net)
    return str(tmp_path / "net.prototxt"), str(tmp_path / "w.caffemodel")


def run(*arguments):
    return main.run_module(
        export, [*map(str, arguments), "--check-size", "24x24", "--check-size", "25x31"]
    )


def assert_same(path, other):
    ours, theirs = read_caffemodel(path), read_caffemodel(other)
    assert list(ours) == list(theirs)
    for name, blobs in theirs.items():
        for one, two in zip(ours[name], blobs):
            np.testing.assert_array_equal(one, two)


def test_onnx_is_compared_with_the_engine_at_each_size(files, tmp_path, capsys):
    assert run(*files, tmp_path / "out.onnx") == 0
    said = capsys.readouterr().out
    for size in ("1x3x24x24", "1x3x25x31"):
        assert re.search(rf"{size}  largest difference \S+, largest score \S+: \d", said)


def test_a_model_with_preprocessing_and_argmax_agrees_in_every_pixel(files, tmp_path, capsys):
    wanted = ["--preprocess", "--mean", "104,117,123", "--input-scale", "0.02", "--argmax"]
    assert run(*files, tmp_path / "out.onnx", *wanted) == 0
    assert "25x31x3  0.0000% of the pixels" in capsys.readouterr().out


def test_what_was_not_checked_is_said(files, tmp_path, capsys):
    assert run(*files, tmp_path / "out.onnx", "--no-check") == 0
    assert "not checked" in capsys.readouterr().out
    assert run(*files, tmp_path / "out.safetensors") == 0
    assert "not compared with the engine" in capsys.readouterr().out


def test_weights_of_any_form_are_compared_with_the_engine(files, tmp_path, capsys):
    net, weights = files
    assert run(net, weights, tmp_path / "w.safetensors") == 0
    capsys.readouterr()
    assert run(net, tmp_path / "w.safetensors", tmp_path / "out.onnx") == 0
    assert "1x3x25x31  largest difference" in capsys.readouterr().out


def test_the_difference_of_weights_read_back_is_measured(files, tmp_path, capsys):
    assert run(*files, tmp_path / "out.pt") == 0
    said = capsys.readouterr().out
    assert "largest difference 0.0e+00 of the blob's largest value, at norm:0" in said
    assert "up to rounding" not in said


@pytest.mark.parametrize("factor, status", [(1 + 1e-7, 0), (1 + 1e-3, 1), (np.nan, 1)])
def test_other_weights_than_were_written_are_an_error(
    files, tmp_path, capsys, monkeypatch, factor, status
):
    to_tensors = export_files.to_tensors

    def wrong(graph, weights):
        tensors = to_tensors(graph, weights)
        changed = np.array(tensors["conv.weight"])
        changed[np.unravel_index(changed.argmax(), changed.shape)] *= np.float32(factor)
        return {**tensors, "conv.weight": changed}

    monkeypatch.setattr(export_files, "to_tensors", wrong)
    assert run(*files, tmp_path / "out.pt") == status
    said = capsys.readouterr()
    assert "at conv:0" in said.out
    assert ("holds different weights" in said.err) is bool(status)
    # A file that fails its check gets no name, and nothing else stays.
    assert [path.name for path in tmp_path.glob("*out*")] == ([] if status else ["out.pt"])


def test_of_a_part_only_its_own_weights_are_compared(files, tmp_path, capsys):
    assert run(*files, tmp_path / "out.safetensors", "--blob", "pool") == 0
    assert "the same, bit for bit" in capsys.readouterr().out


@pytest.mark.parametrize("ending", ["safetensors", "caffemodel.h5"])
def test_a_caffemodel_comes_back_bit_for_bit(files, tmp_path, ending, capsys):
    net, weights = files
    assert run(net, weights, tmp_path / f"out.{ending}") == 0
    assert "bit for bit" in capsys.readouterr().out
    assert run(net, tmp_path / f"out.{ending}", tmp_path / "back.caffemodel") == 0
    assert_same(tmp_path / "back.caffemodel", weights)


@pytest.mark.parametrize("ending", ["onnx", "pt"])
def test_a_caffemodel_comes_back_with_statistics_instead_of_sums(files, tmp_path, ending, capsys):
    net, weights = files
    assert run(net, weights, tmp_path / f"out.{ending}") == 0
    assert "1x3x25x31" in capsys.readouterr().out
    assert run(net, tmp_path / f"out.{ending}", tmp_path / "back.caffemodel") == 0
    ours, theirs = read_caffemodel(tmp_path / "back.caffemodel"), read_caffemodel(weights)
    np.testing.assert_array_equal(ours["up"][0], theirs["up"][0])
    np.testing.assert_allclose(ours["norm"][0], theirs["norm"][0] / theirs["norm"][2], rtol=1e-6)
    assert ours["norm"][2] == 1


def test_statistics_that_were_changed_outside_are_taken(files, tmp_path):
    net, weights = files
    path = tmp_path / "out.safetensors"
    assert run(net, weights, path) == 0
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tensors = safetensors_numpy.load_file(path)
    tensors["norm.running_mean"] = np.full(4, 7, np.float32)
    safetensors_numpy.save_file(tensors, path, header["__metadata__"])
    assert run(net, path, tmp_path / "back.caffemodel") == 0
    back = read_caffemodel(tmp_path / "back.caffemodel")
    np.testing.assert_array_equal(back["norm"][0], 7)
    assert back["norm"][2] == 1


def test_a_model_that_computes_something_else_is_an_error(files, tmp_path, capsys, monkeypatch):
    net, weights = files
    to_onnx = export_files.to_onnx

    def wrong(message, values, *rest, **options):
        changed = pb.NetParameter()
        changed.CopyFrom(message)
        changed.layer[-1].crop_param.offset[:] = [0]
        return to_onnx(changed, values, *rest, **options)

    monkeypatch.setattr(export_files, "to_onnx", wrong)
    assert run(net, weights, tmp_path / "out.onnx") == 1
    assert "computes something else" in capsys.readouterr().err


TWO = """
layer { name: "in" type: "Input" top: "a" top: "b"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }
layer { name: "one" type: "Scale" bottom: "a" top: "one" scale_param { bias_term: true } }
layer { name: "two" type: "Scale" bottom: "b" top: "two" scale_param { bias_term: true } }
"""


@pytest.mark.parametrize("ending", ["onnx", "pt"])
@pytest.mark.parametrize("wrong", [False, True])
def test_all_outputs_are_compared(tmp_path, capsys, monkeypatch, ending, wrong):
    net = parse_text(TWO, pb.NetParameter)
    weights = {
        name: [np.full(size, value, np.float32) for value in (2, 3)]
        for name, size in (("one", 3), ("two", 2))
    }
    write_text(tmp_path / "net.prototxt", net)
    write_caffemodel(tmp_path / "w.caffemodel", weights, net)
    compare = export_check.compare
    if wrong:
        monkeypatch.setattr(
            export_check,
            "compare",
            lambda blob, made, *rest: compare(blob, made + (blob == "two"), *rest),
        )
    paths = tmp_path / "net.prototxt", tmp_path / "w.caffemodel", tmp_path / f"out.{ending}"
    assert run(*paths) == int(wrong)
    said = capsys.readouterr().out
    for blob in ("one", "two"):
        assert len(re.findall(rf'blob "{blob}" for +1x3x(24x24|25x31) ', said)) == 2


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_scores_that_are_no_numbers_in_the_model_alone_are_an_error(
    files, tmp_path, capsys, monkeypatch, wrong
):
    compare = export_check.compare
    monkeypatch.setattr(
        export_check,
        "compare",
        lambda blob, made, *rest: compare(blob, np.where(made > 0, made, wrong), *rest),
    )
    net, weights = files
    changed = read_caffemodel(weights)
    changed["up"] = [-blob for blob in changed["up"]]
    write_caffemodel(weights, changed, parse_text(NET, pb.NetParameter))
    assert run(net, weights, tmp_path / "out.onnx") == 1
    assert "computes something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["out.txt"], r"ends in \.caffemodel"),
        (["out.safetensors", "--argmax"], r"for \.onnx"),
        (["out.onnx", "--mean", "1,2,3"], "need --preprocess"),
        (["out.onnx", "--blob", "nothing"], 'no blob "nothing"'),
        (["net.prototxt"], "--force"),
    ],
)
def test_what_cannot_be_is_said(files, tmp_path, capsys, arguments, said):
    name, *rest = arguments
    assert run(*files, tmp_path / name, *rest) == 1
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize("ending", ["onnx", "safetensors", "pt"])
def test_damaged_files_are_refused(files, tmp_path, capsys, ending):
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(b"\x80 damaged" * 9)
    assert run(files[0], path, tmp_path / "out.caffemodel") == 1
    assert f"bad.{ending}" in capsys.readouterr().err
    assert not (tmp_path / "out.caffemodel").exists()


@pytest.mark.parametrize("size", ["24", "24x", "0x24", "24x24x3", "axb"])
def test_a_size_that_is_none_is_said(files, tmp_path, capsys, size):
    with pytest.raises(SystemExit):
        main.run_module(export, [*files, str(tmp_path / "out.onnx"), "--size", size])
    assert "expected height x width" in capsys.readouterr().err


def test_the_state_dict_of_one_blob_is_compared_by_what_it_holds(files, tmp_path, capsys):
    assert run(*files, tmp_path / "out.pt", "--blob", "pool") == 0
    assert "1x3x25x31  largest difference" in capsys.readouterr().out


def test_sums_that_are_no_batch_norms_are_left_aside(files, tmp_path):
    assert run(*files, tmp_path / "out.safetensors") == 0
    tensors = safetensors_numpy.load_file(tmp_path / "out.safetensors")
    metadata = {"caffe_batch_norm_sums": json.dumps({"norm": ["", "", ""]})}
    safetensors_numpy.save_file(tensors, tmp_path / "other.safetensors", metadata)
    assert run(files[0], tmp_path / "other.safetensors", tmp_path / "back.caffemodel") == 0
    mean, _, weight = read_caffemodel(tmp_path / "back.caffemodel")["norm"]
    assert weight == 1
    np.testing.assert_array_equal(mean, tensors["norm.running_mean"])


@pytest.mark.parametrize("ending", ["caffemodel", "safetensors"])
def test_weights_of_another_net_write_nothing(files, tmp_path, capsys, ending):
    net, weights = files
    other = tmp_path / f"w.{ending}"
    if ending != "caffemodel":
        assert run(net, weights, other) == 0
    with open(net) as file:
        text = file.read().replace("kernel_size: 3", "kernel_size: 5").replace("pad: 1", "pad: 2")
    write_text(tmp_path / "other.prototxt", parse_text(text, pb.NetParameter))
    target = "out.onnx" if ending == "caffemodel" else "out.caffemodel"
    assert run(tmp_path / "other.prototxt", other, tmp_path / target) == 1
    assert "layer conv: expected (4, 3, 5, 5)" in capsys.readouterr().err
    assert not (tmp_path / target).exists()


def test_errors_name_the_output_rather_than_where_it_is_written_first(tmp_path, capsys):
    layers = "".join(
        f'layer {{ name: "{name}" type: "Scale" bottom: "data" top: "{name}" }}'
        for name in ("a", "a/0")
    )
    text = 'input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }' + layers
    write_text(tmp_path / "net.prototxt", parse_text(text, pb.NetParameter))
    blobs = [np.ones(2, np.float32)]
    write_caffemodel(tmp_path / "w.caffemodel", {"a": blobs, "a/0": blobs})
    output = tmp_path / "out.h5"
    assert run(tmp_path / "net.prototxt", tmp_path / "w.caffemodel", output) == 1
    assert f"error: {output}: an HDF5 file has no place" in capsys.readouterr().err
