"""Folding BatchNorm and Scale into the layer before: same output, fewer layers."""

import numpy as np
import pytest

from caffeformat import InputError, Weights, parse_text, pb
from fcnkit.surgery import fold_batch_norm

NET = """
layer { name: "data" type: "Input" top: "data" }
layer { name: "linear" type: "%s" bottom: "data" top: "linear" %s }
layer { name: "bn" type: "BatchNorm" bottom: "linear" top: "%s" }
layer { name: "scale" type: "Scale" bottom: "%s" top: "%s" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "%s" top: "%s" }
"""


def net(kind="Convolution", settings="convolution_param { num_output: 4 }", in_place=True):
    bn, scale = ("linear", "linear") if in_place else ("bn", "scale")
    return parse_text(NET % (kind, settings, bn, bn, scale, scale, scale), pb.NetParameter)


def normal(random, *shape):
    return random.standard_normal(shape).astype(np.float32)


def weights_of(linear_shape, bias=True, weight=0.9):
    random = np.random.RandomState(2)
    blobs = {
        "linear": [normal(random, *linear_shape)] + ([normal(random, 4)] if bias else []),
        "bn": [normal(random, 4), normal(random, 4) ** 2 + 0.1, np.array([weight], np.float32)],
        "scale": [normal(random, 4), normal(random, 4)],
    }
    return Weights(blobs, types=dict.fromkeys(blobs, ""))


def normalized(scores, weights):
    """What BatchNorm and Scale make of `scores`, pixels x channels."""
    mean, variance, weight = (blob.astype(float) for blob in weights["bn"])
    share = 1 / weight[0] if weight[0] else 0
    gamma, beta = weights["scale"]
    return (scores - mean * share) / np.sqrt(variance * share + 1e-5) * gamma + beta


def dense(blobs, pixels):
    """1x1 convolution of pixels x channels."""
    return pixels @ blobs[0].reshape(blobs[0].shape[0], -1).T + (blobs[1] if len(blobs) > 1 else 0)


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("weight", [0.9, 0])
def test_a_convolution_does_what_the_three_layers_did(in_place, bias, weight):
    weights = weights_of((4, 3, 1, 1), bias, weight)
    before = net(
        settings=f"convolution_param {{ num_output: 4 bias_term: {str(bias).lower()} }}",
        in_place=in_place,
    )
    after, folded = fold_batch_norm(before, weights)
    assert [layer.name for layer in after.layer] == ["data", "linear", "relu"]
    assert after.layer[1].top == after.layer[2].bottom
    assert after.layer[1].convolution_param.bias_term
    assert list(folded) == ["linear"]
    pixels = np.random.RandomState(3).standard_normal((50, 3))
    expected = normalized(dense(weights["linear"], pixels), weights)
    np.testing.assert_allclose(dense(folded["linear"], pixels), expected, rtol=1e-4, atol=1e-4)
    assert len(before.layer) == 5 and len(weights) == 3


def test_fully_connected_layers_fold_transposed_or_not():
    pixels = np.random.RandomState(3).standard_normal((50, 3))
    for transpose in (False, True):
        weights = weights_of((4, 3))
        expected = normalized(dense(weights["linear"], pixels), weights)
        text = f"inner_product_param {{ num_output: 4 transpose: {str(transpose).lower()} }}"
        if transpose:
            weights["linear"][0] = weights["linear"][0].T
        _, folded = fold_batch_norm(net("InnerProduct", text), weights)
        rows = folded["linear"][0].T if transpose else folded["linear"][0]
        found = dense([rows, folded["linear"][1]], pixels)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_grouped_deconvolutions_fold_by_their_outputs():
    weights = weights_of((6, 2, 1, 1))
    text = "convolution_param { num_output: 4 group: 2 }"
    pixels = np.random.RandomState(3).standard_normal((50, 6))

    def deconvolved(blobs):
        halves = [
            pixels[:, 3 * g : 3 * g + 3] @ blobs[0][3 * g : 3 * g + 3, :, 0, 0] for g in (0, 1)
        ]
        return np.concatenate(halves, axis=1) + blobs[1]

    expected = normalized(deconvolved(weights["linear"]), weights)
    _, folded = fold_batch_norm(net("Deconvolution", text), weights)
    np.testing.assert_allclose(deconvolved(folded["linear"]), expected, rtol=1e-4, atol=1e-4)


def test_a_layer_with_a_second_reader_stays():
    branching = net(in_place=False)
    branching.layer.add(name="tap", type="ReLU", bottom=["linear"], top=["tap"])
    after, folded = fold_batch_norm(branching, weights_of((4, 3, 1, 1)))
    assert [layer.name for layer in after.layer] == [layer.name for layer in branching.layer]
    assert set(folded) == {"linear", "bn", "scale"}


def test_batch_statistics_and_shared_weights_stay():
    batch = net()
    batch.layer[2].batch_norm_param.use_global_stats = False
    shared = net()
    shared.layer[1].param.add(name="shared")
    for unfoldable in (batch, shared):
        after, _ = fold_batch_norm(unfoldable, weights_of((4, 3, 1, 1)))
        assert after == unfoldable


def test_a_variance_without_a_root_is_refused():
    weights = weights_of((4, 3, 1, 1))
    weights["bn"][1][2] = -1
    with pytest.raises(InputError, match=r"layer bn: a variance plus eps is -1\.1"):
        fold_batch_norm(net(), weights)
