"""Nets in ONNX Runtime and OpenVINO: taken where they agree with the engine, left where not."""

import subprocess
import sys

import numpy as np
import pytest

from caffeformat import InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit import engine, runtimes
from fcnkit.inference import Segmenter
from fcnkit.runtimes import packing, passes

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("torch")

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 16, 16] } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 320 kernel_size: 3 pad: 1 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"
  pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "Convolution" bottom: "pool" top: "fc"
  convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "up" type: "Deconvolution" bottom: "fc" top: "up"
  convolution_param { num_output: 4 kernel_size: 4 stride: 2 bias_term: false } }
layer { name: "score" type: "Crop" bottom: "up" bottom: "data" top: "score"
  crop_param { axis: 2 offset: 1 } }
"""


@pytest.fixture
def net(tmp_path):
    """A net and its weights on disk: (net, weights)."""
    random = np.random.RandomState(3)

    def values(*shape):
        return random.standard_normal(shape).astype(np.float32) * 0.1

    blobs = {
        "conv": [values(320, 3, 3, 3), values(320)],
        "bn": [values(320), 1 + values(320) ** 2, np.ones(1, np.float32)],
        "scale": [1 + values(320), values(320)],
        "fc": [values(4, 320, 1, 1), values(4)],
        "up": [values(4, 4, 4, 4)],
    }
    (tmp_path / "net.prototxt").write_text(NET)
    weights = str(tmp_path / "w.caffemodel")
    write_caffemodel(weights, Weights(blobs), parse_text(NET, pb.NetParameter))
    return str(tmp_path / "net.prototxt"), weights


def image(height, width, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def agree(one, other):
    return np.abs(one - other).max() <= 1e-4 * np.abs(other).max()


def test_every_size_and_batch_has_the_engines_scores(net):
    fast, plain = Segmenter(*net), Segmenter(*net, runtime="torch")
    for height, width in ((12, 17), (12, 17), (31, 8), (9, 40), (12, 17)):
        shown = image(height, width, height)
        assert agree(fast.scores(shown), np.array(plain.scores(shown)))
    assert (fast.runtime, fast.note, plain.runtime) == ("onnxruntime", None, "torch")
    data = np.random.RandomState(1).standard_normal((3, 3, 10, 12)).astype(np.float32)
    made = [each._network.forward(data) for each in (fast, plain)]
    assert made[0].shape == (3, 4, 10, 12) and agree(*made)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["auto", "torch"])
def test_predictions_may_wait_for_later_images(net, runtime):
    made, shown = Segmenter(*net, runtime=runtime), [image(12, 17, seed) for seed in range(4)]
    later = [made.predict_later(each, confidence=True) for each in shown]
    for each, predict in zip(shown, later):
        expected = Segmenter(*net, runtime="torch").predict(each, confidence=True)
        assert np.array_equal(predict().mask, expected.mask) and predict().classes == 4
        assert np.allclose(predict().confidence, expected.confidence, atol=1e-3)


@pytest.mark.slow
def test_openvino_computes_the_same_when_asked(net):
    pytest.importorskip("openvino")
    fast, plain = Segmenter(*net, runtime="openvino"), Segmenter(*net, runtime="torch")
    for shown in (image(12, 17), image(21, 10)):
        assert agree(fast.scores(shown), np.array(plain.scores(shown)))
    assert (fast.runtime, fast.note) == ("openvino", None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["caffemodel", "hdf5"])
def test_large_convolutions_are_divided_and_weights_stay_in_their_file(
    net, tmp_path, monkeypatch, kind
):
    monkeypatch.setattr(packing, "_MOST_BYTES", 9000)
    monkeypatch.setattr(passes, "PackingWriter", kept := Kept)
    path = net[1]
    if kind == "hdf5":
        from caffeformat import read_caffemodel

        path = str(tmp_path / "w.caffemodel.h5")
        write_caffemodel(path, read_caffemodel(net[1]), parse_text(NET, pb.NetParameter))
    fast, plain = Segmenter(net[0], path), Segmenter(net[0], path, runtime="torch")
    for shown in (image(12, 17), image(20, 9)):
        assert agree(fast.scores(shown), np.array(plain.scores(shown)))
    assert (fast.runtime, fast.note) == ("onnxruntime", None)
    (writer,) = kept.made
    kept.made.clear()
    parts = [node.name for node in writer.nodes if node.op_type == "Conv"]
    assert len(parts) == 5 + 1
    # Statistics, which are quotients of blobs, lie in no file.
    outside = {name.split("/")[0] for name in writer.arrays}
    assert outside == ({"bn.running_mean", "bn.running_var"} if kind == "caffemodel" else outside)
    assert ("conv.weight" in outside) == (kind == "hdf5")


class Kept(packing.PackingWriter):
    made = []

    def __init__(self, path):
        super().__init__(path)
        self.made.append(self)


@pytest.mark.slow
def test_a_runtime_that_computes_something_else_is_left_with_a_note(net, monkeypatch):
    run = passes._OnnxRuntimePass.run
    monkeypatch.setattr(passes._OnnxRuntimePass, "run", lambda self, data: run(self, data) * 1.01)
    fast, plain = Segmenter(*net), Segmenter(*net, runtime="torch")
    for shown in (image(12, 17), image(8, 9)):
        assert np.array_equal(np.array(fast.scores(shown, "a.png")), plain.scores(shown))
    assert fast.runtime == "torch"
    assert "onnxruntime is left for the engine: its scores for a.png differ by 1" in fast.note


@pytest.mark.slow
def test_a_runtime_that_fails_later_is_left_with_a_note(net, monkeypatch):
    fast, plain = Segmenter(*net), Segmenter(*net, runtime="torch")
    fast.scores(image(8, 8))

    def fail(self, data):
        raise InputError("ONNX Runtime fails: no memory")

    monkeypatch.setattr(passes._OnnxRuntimePass, "run", fail)
    assert np.array_equal(np.array(fast.scores(image(9, 8))), plain.scores(image(9, 8)))
    assert fast.note.endswith("left for the engine: ONNX Runtime fails: no memory")


def test_layers_without_counterpart_stay_on_the_engine(net, tmp_path):
    text = NET.replace("pooling_param {", "pooling_param { pool: STOCHASTIC")
    path = tmp_path / "other.prototxt"
    path.write_text(text)
    quiet = Segmenter(str(path), net[1])
    named = Segmenter(str(path), net[1], runtime="onnxruntime")
    for each in (quiet, named):
        each.scores(image(12, 12))
        assert each.runtime == "torch"
    assert quiet.note is None
    assert 'layer "pool" (Pooling): only MAX and AVE' in named.note


def test_layers_without_weights_stay_on_the_engine(net, tmp_path):
    text = NET.replace('name: "fc"', 'name: "fc_new"')
    path = tmp_path / "other.prototxt"
    path.write_text(text)
    made = Segmenter(str(path), net[1], runtime="onnxruntime")
    made.scores(image(12, 12))
    assert (made.runtime, made.unmatched) == ("torch", ["fc_new"])
    assert "the weights lack fc_new" in made.note


@pytest.mark.slow
def test_a_net_that_agreed_is_taken_at_once_and_its_weights_are_looked_at(
    net, tmp_path, monkeypatch
):
    monkeypatch.setenv("FCNKIT_CACHE", str(tmp_path / "cache"))
    expected = np.array(Segmenter(*net).scores(image(12, 17)))
    opened, open_net = [], engine.open_net
    monkeypatch.setattr(engine, "open_net", lambda *a, **k: opened.append(1) or open_net(*a, **k))
    again = Segmenter(*net)
    assert again.classes(image(20, 20)) == 4
    assert agree(again.scores(image(12, 17)), expected) and not opened
    assert (again.output_blob, again.runtime) == ("score", "onnxruntime")
    # The same file with other weights
    with open(net[1], "r+b") as file:
        content = file.read()
        factor = np.ones(1, np.float32).tobytes()  # that of the statistics
        file.seek(content.index(factor, content.index(b"BatchNorm")))
        file.write(np.float32(0.5).tobytes())
    other = Segmenter(*net)
    assert not agree(other.scores(image(12, 17)), expected) and opened
    Segmenter(*net, runtime="torch").scores(image(5, 5))
    assert len(opened) == 2


@pytest.mark.slow
def test_no_engine_is_loaded_for_a_net_that_agreed(net, tmp_path, monkeypatch):
    monkeypatch.setenv("FCNKIT_CACHE", str(tmp_path / "cache"))
    code = (
        "import sys, numpy as np; from fcnkit.inference import Segmenter; "
        f"s = Segmenter(*{net!r}); s.scores(np.zeros((9, 9, 3), np.uint8)); "
        "print(s.runtime, 'torch' in sys.modules)"
    )
    for loaded in ("True", "False"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.split() == ["onnxruntime", loaded], done.stderr


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"a": 1}', b"\xff"])
def test_a_damaged_memory_of_checks_is_none(tmp_path, monkeypatch, content):
    monkeypatch.setenv("FCNKIT_CACHE", str(tmp_path))
    (tmp_path / "runtimes.json").write_bytes(content)
    kept = runtimes.Agreements()
    assert kept.find("a") is None
    kept.enter("b", "score")
    assert runtimes.Agreements().find("b") == "score"


def test_what_can_be_chosen(monkeypatch):
    assert runtimes.choose("torch") is None
    assert runtimes.choose("auto", 0) is None
    with pytest.raises(InputError, match=r"GPU 0 is asked for: pass runtime='torch'"):
        runtimes.choose("onnxruntime", 0)
    with pytest.raises(InputError, match="expected auto, torch, onnxruntime, openvino"):
        runtimes.choose("tensorrt")
    monkeypatch.setattr(runtimes.choice, "is_installed", lambda package: False)
    assert runtimes.choose("auto") is None
    with pytest.raises(InputError, match="needs the package onnxruntime"):
        runtimes.choose("onnxruntime")
    monkeypatch.setattr(engine, "name", lambda: "bvlc")
    assert runtimes.choose("auto") is None
    with pytest.raises(InputError, match="set FCNKIT_ENGINE=torch"):
        runtimes.choose("torch")
