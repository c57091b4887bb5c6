import numpy as np
import pytest

from caffeformat import parse_text, pb
from fcnkit import engine
from fcnkit.inference import ConfusionMatrix
from fcnkit.training import diagnosis


def collapsed(shares=(70, 20, 10), winner=0):
    matrix = ConfusionMatrix(3)
    label = np.repeat(np.arange(3), shares)
    matrix.update(np.full(len(label), winner), label)
    return matrix


def test_collapse_is_one_predicted_class_for_several_labelled():
    assert diagnosis.is_collapsed(collapsed())
    assert not diagnosis.is_collapsed(collapsed((100, 0, 0)))
    matrix = collapsed()
    matrix.update(np.array([1]), np.array([0]))
    assert not diagnosis.is_collapsed(matrix)


def test_the_entropy_of_the_prior_is_the_loss_of_guessing_by_frequency():
    assert diagnosis.prior_entropy(collapsed((50, 50, 0))) == pytest.approx(np.log(2))
    assert diagnosis.prior_entropy(collapsed((100, 0, 0))) == 0


def test_zero_layers_explain_a_collapse_alone():
    text = diagnosis.explain_collapse(collapsed(), ["sky"], stuck=["conv1"], unmatched=["score"])
    assert text.startswith("every pixel is predicted as sky:\n")
    assert "conv1 hold only zeros" in text and "score" not in text.replace("scores", "")


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"unmatched": ["score_fr"]}, ["score_fr", "net_surgery"]),
        ({"silent": ["conv1", "conv2"]}, ["no gradient reaches conv1, conv2"]),
        ({"loss": 5.0}, ["learning rate is too high"]),
        ({"loss": float("nan")}, ["diverged"]),
        ({}, ["70% of the labelled pixels are class 0"]),
    ],
)
def test_reasons_follow_the_evidence(evidence, words):
    text = diagnosis.explain_collapse(collapsed(), **evidence)
    assert all(word in text for word in words)


def test_evidence_that_is_not_there_gives_no_reason():
    text = diagnosis.explain_collapse(collapsed((40, 30, 30), winner=2), loss=1.0)
    assert text.count("  - ") == 1 and "more iterations" in text
    assert "too high (lower" not in text and "labelled pixels" not in text


NET = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } shape { dim: 1 dim: 1 dim: 4 dim: 5 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score"
  convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 7 } }
"""


@pytest.mark.parametrize(("label", "pixel", "silent"), [(1, 0, ["score"]), (1, 1, []), (7, 1, [])])
def test_a_batch_that_is_ignored_as_a_whole_is_no_sign_of_a_dead_net(
    needs_engine, label, pixel, silent
):
    message = parse_text(NET, pb.NetParameter)
    net = engine.open_net(message, phase="TRAIN")
    net.blobs["data"].data[...] = pixel
    net.blobs["label"].data[...] = label
    assert diagnosis.silent_layers(net, message) == silent
