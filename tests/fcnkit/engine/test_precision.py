"""Precision and recomputation: what torchcaffe does with them, and BVLC Caffe's refusal."""

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit import engine

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } } }
layer { name: "y" type: "Convolution" bottom: "x" top: "y"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "z" type: "ReLU" bottom: "y" top: "y" }
layer { name: "score" type: "Convolution" bottom: "y" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "msra" } } }
"""


@pytest.mark.parametrize("options", [{"precision": "bfloat16"}, {"recompute": True}])
def test_bvlc_caffe_can_do_neither(options, monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    with pytest.raises(InputError, match="FCNKIT_ENGINE=torch") as caught:
        engine.check_computing(options.get("precision"), options.get("recompute", False))
    assert next(iter(options)) in str(caught.value)
    engine.check_computing("float32")
    engine.check_computing(None)


def test_other_names_are_refused(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    with pytest.raises(InputError, match="float32, bfloat16, float16"):
        engine.check_computing("float64")


def test_nets_compute_in_the_precision_that_was_asked_for(monkeypatch):
    monkeypatch.setenv(engine.VARIABLE, "torch")
    pytest.importorskip("torch")
    message = parse_text(NET, pb.NetParameter)
    x = np.random.RandomState(0).randn(2, 3, 6, 6)
    exact, lower = (engine.open_net(message, precision=name) for name in ("float32", "bfloat16"))
    engine.use_precision("bfloat16")
    try:
        chosen = engine.open_net(message)
    finally:
        engine.use_precision("float32")
    scores = []
    for net in (exact, lower, chosen):
        for name, blobs in exact.params.items():
            for theirs, mine in zip(net.params[name], blobs):
                theirs.data[...] = mine.data
        net.blobs["x"].data[...] = x
        scores.append(engine.forward(net, "score").copy())
    assert scores[0].dtype == scores[1].dtype == np.float32
    assert 0 < np.abs(scores[1] - scores[0]).max() < 0.05 * np.abs(scores[0]).max()
    np.testing.assert_array_equal(scores[2], scores[1])
