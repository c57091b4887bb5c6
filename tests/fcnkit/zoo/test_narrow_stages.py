"""The narrow stages are Berkeley's, layer for layer, and what BatchNorm adds folds away."""

import numpy as np
import pytest

from caffeformat import Weights, infer_shapes
from fcnkit import zoo
from fcnkit.nets import net_parameters
from fcnkit.surgery import fold_batch_norm


def deploy(network, **arguments):
    return zoo.spec(network).deploy(**arguments)


def without_widths(net):
    """The layers of `net` as text, without their numbers of outputs."""
    for layer in net.layer:
        layer.convolution_param.ClearField("num_output")
    return [str(layer) for layer in net.layer]


@pytest.mark.parametrize("stride", [32, 16, 8])
def test_a_narrow_stage_differs_from_the_published_net_only_in_widths(stride):
    narrow, published = deploy(f"shapes_fcn{stride}s"), deploy(f"voc_fcn{stride}s")
    widths = {
        layer.name: layer.convolution_param.num_output
        for layer in narrow.layer
        if layer.type == "Convolution"
    }
    assert widths["conv1_1"] == 8 and widths["conv5_3"] == 64 and widths["fc7"] == 512
    assert without_widths(narrow) == without_widths(published)


def test_a_published_net_takes_a_width():
    wide, narrow = deploy("voc_fcn8s"), deploy("voc_fcn8s", width=1 / 4)
    first, second = (
        {layer.name: blobs[0].shape for layer, blobs in net_parameters(net)}
        for net in (wide, narrow)
    )
    assert second["conv2_1"][:2] == (32, 16) and first["conv2_1"][:2] == (128, 64)
    assert second["score_pool4"][:2] == (21, 128)
    assert second["upscore8"] == first["upscore8"]


def test_folding_batch_norm_leaves_weights_of_the_first_stage():
    normalized = deploy("shapes_fcn32s_bn")
    weights = Weights(
        {
            layer.name: [np.ones(blob.shape, np.float32) for blob in blobs]
            for layer, blobs in net_parameters(normalized)
        }
    )
    _, folded = fold_batch_norm(normalized, weights)
    shapes = {name: [blob.shape for blob in blobs] for name, blobs in folded.items()}
    assert shapes == {
        layer.name: [blob.shape for blob in blobs]
        for layer, blobs in net_parameters(deploy("shapes_fcn32s"))
    }


@pytest.mark.parametrize("size", [(64, 96), (375, 500), (101, 33)])
def test_without_the_padding_of_100_every_size_is_still_scored(size):
    shapes = infer_shapes(deploy("shapes_fcn32s_bn"), {"data": (1, 3, *size)})
    assert tuple(shapes["score"]) == (1, 6, *size)
