"""Who computes a net's scores, how many images at a time, and which blob holds them."""

import numpy as np
import pytest
from engine_runtime import of_the_engine

from caffeformat import InputError, Weights, parse_text, pb, write_caffemodel
from fcnkit import engine, runtimes
from fcnkit.inference import network
from fcnkit.inference.network import Network, NetworkError

pytestmark = pytest.mark.usefixtures("needs_engine")

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 4, 4] } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 } }
"""
MATRIX = np.array([[1, 2, 3], [-1, 0, 1]], np.float32)


def expected(data):
    return np.einsum("oc,nchw->nohw", MATRIX, data)


def images(count, height=4, width=5):
    random = np.random.RandomState(count)
    return random.standard_normal((count, 3, height, width)).astype(np.float32)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Opens `Network`s of a prototxt's text with weights for the layer `score`."""
    path = str(tmp_path / "w.caffemodel")
    write_caffemodel(path, Weights({"score": [MATRIX[:, :, None, None], np.zeros(2, np.float32)]}))
    monkeypatch.setenv("FCNKIT_CACHE", str(tmp_path / "cache"))

    def open_network(text=NET, **more):
        return Network(parse_text(text, pb.NetParameter), "net.prototxt", path, "data", **more)

    return open_network


class Runtime:
    """In place of a runtime: computes the scores times `factor`, or fails."""

    def __init__(self, monkeypatch):
        self.factor, self.problem, self.plans, self.passes = 1.0, "", 0, 0
        self.cannot = ""
        monkeypatch.setattr(runtimes, "choose", lambda name, gpu: name and "onnxruntime")
        monkeypatch.setattr(runtimes, "plan", self._plan)

    def _plan(self, *what):
        self.plans += 1
        if self.cannot:
            raise InputError(self.cannot)
        return lambda: self

    def run(self, data):
        self.passes += 1
        if self.problem:
            raise InputError(self.problem)
        return expected(data) * np.float32(self.factor)


@pytest.fixture
def runtime(monkeypatch):
    return Runtime(monkeypatch)


@pytest.fixture
def engine_nets(monkeypatch):
    """The nets that the engine has opened."""
    nets, real = [], engine.open_net
    monkeypatch.setattr(engine, "open_net", lambda *a, **k: nets.append(a) or real(*a, **k))
    return nets


def test_a_runtime_that_agrees_takes_over_for_good(opened, runtime, engine_nets):
    made = opened()
    data = images(1)
    for count in (1, 2, 3):
        np.testing.assert_allclose(made.forward(data), expected(data), atol=1e-5)
        assert runtime.passes == count and len(engine_nets) == 1
    assert (made.runtime, made.note, made.net) == ("onnxruntime", None, None)
    assert made.returns_copies and made.output_shape((1, 3, 7, 9)) == (1, 2, 7, 9)
    again = opened()
    np.testing.assert_allclose(again.forward(images(3)), expected(images(3)), atol=1e-5)
    assert len(engine_nets) == 1 and again.output_blob == "score"


@pytest.mark.parametrize(
    "faults, words",
    [
        ({"factor": 1.01}, "its scores for a.png differ by 1.0e-02 of the largest score"),
        ({"problem": "ONNX Runtime fails: no memory"}, "ONNX Runtime fails: no memory"),
    ],
)
def test_a_runtime_that_is_wrong_is_left_with_a_note(opened, runtime, faults, words):
    vars(runtime).update(faults)
    made, data = opened(), images(1)
    for _ in range(2):
        np.testing.assert_allclose(made.forward(data, "a.png"), expected(data), atol=1e-5)
    assert made.notes == [made.note] and words in made.note
    assert made.note.startswith("net.prototxt: onnxruntime is left for the engine: ")
    assert (runtime.passes, made.runtime, made.returns_copies) == (1, engine.name(), False)


@pytest.mark.parametrize("chosen, is_said", [("auto", False), ("onnxruntime", True)])
def test_a_net_that_a_runtime_cannot_have_is_news_only_where_it_was_named(
    opened, runtime, chosen, is_said
):
    runtime.cannot = "layer x: has no counterpart"
    made, data = opened(runtime=chosen), images(1)
    np.testing.assert_allclose(made.forward(data), expected(data), atol=1e-5)
    assert (made.note is not None) == is_said and runtime.passes == 0
    assert not is_said or "has no counterpart" in made.note


def test_a_runtime_that_fails_later_is_left_with_a_note(opened, runtime):
    made, data = opened(), images(1)
    made.forward(data)
    runtime.problem = "no memory"
    other = images(1, 3, 3)
    np.testing.assert_allclose(made.forward(other), expected(other), atol=1e-5)
    assert made.note.endswith("left for the engine: no memory")
    # A process that knows the net, where the runtime has gone meanwhile
    runtime.cannot = "it is not installed any more"
    again = opened()
    np.testing.assert_allclose(again.forward(data), expected(data), atol=1e-5)
    assert again.note.endswith("it is not installed any more")


def test_images_go_through_the_net_together_as_memory_allows(opened, monkeypatch):
    made, data = opened(runtime=of_the_engine()), images(5)
    real = engine.check_memory

    def check(message, shapes, name, is_lean):
        (shape,) = shapes.values()
        if shape[0] > 2:
            raise InputError(f"{name}: does not fit")
        real(message, shapes, name, is_lean)

    monkeypatch.setattr(engine, "check_memory", check)
    np.testing.assert_allclose(made.forward(data), expected(data), atol=1e-5)
    np.testing.assert_allclose(made.forward(images(4)), expected(images(4)), atol=1e-5)
    assert made.notes == [
        "net.prototxt: 5 images of 5x4 at a time do not fit in the free memory: it runs on fewer"
    ]
    assert made.net.blobs["data"].shape[0] == 2
    monkeypatch.setattr(engine, "check_memory", lambda *_: None)
    np.testing.assert_allclose(made.forward(data), expected(data), atol=1e-5)
    assert made.net.blobs["data"].shape[0] == 5  # there is more memory now


def test_a_net_that_mixes_images_runs_on_one_at_a_time(opened, monkeypatch):
    made, data = opened(runtime=of_the_engine()), images(3)
    monkeypatch.setattr(network.nets, "mixes_images", lambda *_: 'layer "x" mixes them')
    np.testing.assert_allclose(made.forward(data), expected(data), atol=1e-5)
    assert made.notes == ['net.prototxt: runs on one image at a time: layer "x" mixes them']
    assert made.net.blobs["data"].shape[0] == 1


OTHER = 'layer { name: "b" type: "Power" bottom: "data" top: "other" }'
SILENT = 'layer { name: "s" type: "Silence" bottom: "found" }'


@pytest.mark.parametrize(
    "text, asked, found",
    [
        (NET + OTHER, None, "score"),
        (NET.replace('top: "score"', 'top: "found"'), None, "found"),
        (NET + OTHER, "other", "other"),
        (NET, "absent", "there is no blob 'absent'; there are data, score"),
        (
            NET.replace('top: "score"', 'top: "found"') + OTHER,
            None,
            "no blob is called score, and the outputs are found, other: choose one with output_",
        ),
        (
            NET.replace('top: "score"', 'top: "found"') + SILENT,
            None,
            "and every blob is used by a layer; the last ones are data, found: choose",
        ),
    ],
    ids=["score", "only", "asked", "absent", "several", "none"],
)
def test_the_scores_are_those_of_the_blob_called_score_or_of_the_only_output(
    opened, text, asked, found
):
    made = opened(text, output_blob=asked, runtime=of_the_engine())
    if " " not in found:
        assert made.output_shape((1, 3, 4, 5))[2:] == (4, 5) and made.output_blob == found
        return
    with pytest.raises(NetworkError) as caught:
        made.forward(images(1))
    assert found in str(caught.value)


def test_scores_of_another_shape_are_infinitely_far(opened):
    ones = np.ones((1, 2, 3, 3), np.float32)
    assert network.relative_difference(ones, ones[..., :2]) == float("inf")
    assert network.relative_difference(2 * ones, 2.5 * ones) == pytest.approx(0.25)
    broken = np.where(np.arange(3) == 1, np.float32(np.inf), 2 * ones)
    assert network.relative_difference(broken, broken) == 0
