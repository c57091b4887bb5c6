"""A convolutionalized classifier computes what the classifier does, measured by running both.

In the quick tier with a sixteenth of the channels, in the full tier as they were published.
"""

import numpy as np
import pytest

from caffeformat import Weights, infer_shapes, pb, read_net
from fcnkit import zoo
from fcnkit.nets import net_parameters
from fcnkit.surgery import convolutionalize, transplant, without_padding

# classifier -> its last feature map, which the fully connected part reads
NETWORKS = {
    "bvlc_alexnet": "pool5",
    "bvlc_reference_caffenet": "pool5",
    "vgg16": "pool5",
    "bvlc_googlenet": "inception_5b/output",
    "resnet_50": "res5c",
}


def _cases(quick):
    """(classifier, share of its channels): a sixteenth of the `quick` ones in the quick tier."""
    return [
        pytest.param(name, share, marks=[] if share == 16 and name in quick else pytest.mark.slow)
        for name in NETWORKS
        for share in (16, 1)
    ]


caffe = pytest.importorskip("torchcaffe")


def classifier(name, share):
    """The deploy net of one image, with 1/share of its channels."""
    net = read_net(zoo.path(name, "deploy.prototxt"))
    net.layer[0].input_param.shape[0].dim[0] = 1
    for layer in net.layer:
        for param in (layer.convolution_param, layer.inner_product_param):
            if param.num_output:
                group = layer.convolution_param.group if layer.type == "Convolution" else 1
                param.num_output = max(param.num_output // share, 2 * group)
    return net


def random_weights(net):
    """Weights that keep the size of signals about the same, and statistics that matter."""
    random, weights = np.random.RandomState(1), Weights()
    for layer, blobs in net_parameters(net):
        if layer.type == "BatchNorm":
            mean, variance = random.randn(*blobs[0].shape), random.uniform(0.5, 2, blobs[1].shape)
            arrays = [mean * 0.1, variance, np.ones(1)]
        elif layer.type == "Scale":
            # Sums of many residual blocks would grow beyond what float32 adds up well.
            arrays = [random.uniform(0.3, 0.6, blobs[0].shape), random.randn(*blobs[1].shape) * 0.1]
        else:
            fan = np.prod(blobs[0].shape[1:])
            arrays = [random.standard_normal(blobs[0].shape).astype(np.float32) * (2 / fan) ** 0.5]
            arrays += [random.standard_normal(blob.shape) * 0.1 for blob in blobs[1:]]
        weights[layer.name] = [np.asarray(array, np.float32) for array in arrays]
    return weights


def engine(net, weights):
    made = caffe.Net(net_param=net, phase=caffe.TEST)
    for name, arrays in weights.items():
        for blob, array in zip(made.params.get(name, []), arrays):
            blob.data[...] = array
    return made


def run(net, images, *blobs):
    """Copies of the blobs for images of N x C x H x W."""
    net.blobs["data"].reshape(*images.shape)
    net.blobs["data"].data[...] = images
    net.forward()
    return [net.blobs[blob].data.copy() for blob in blobs]


def scores_of(net):
    """The blob before the softmax."""
    return net.layer[-1].bottom[0]


def tail(net, features, shape):
    """The classifier's layers after the blob `features`, as a net that reads it."""
    first = max(i for i, layer in enumerate(net.layer) if features in layer.top) + 1
    made = pb.NetParameter()
    source = made.layer.add(name="data", type="Input", top=["data"])
    source.input_param.shape.add().dim.extend(shape)
    made.layer.extend(net.layer[first:])
    for layer in made.layer:
        for index, bottom in enumerate(layer.bottom):
            layer.bottom[index] = "data" if bottom == features else bottom
    return made


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name, share", _cases(["bvlc_alexnet", "vgg16", "resnet_50"]))
def test_scores_are_equal_at_the_classifiers_size_and_on_windows_of_features(name, share):
    net = classifier(name, share)
    weights, features = random_weights(net), NETWORKS[name]
    shapes, scores = infer_shapes(net), scores_of(net)
    dense_net = convolutionalize(net)
    dense = engine(dense_net, transplant(weights, dense_net).weights)
    image = np.random.RandomState(2).uniform(-100, 100, shapes["data"]).astype(np.float32)
    (expected,) = run(engine(net, weights), image, scores)
    (found,) = run(dense, image, scores)
    assert found.shape[2:] == (1, 1)
    assert_close(found[..., 0, 0], expected)

    height, width = image.shape[2] + 64, image.shape[3] + 32
    larger = np.random.RandomState(3).uniform(-100, 100, (1, 3, height, width)).astype(np.float32)
    found, seen = run(dense, larger, scores, features)
    side = shapes[features][2]
    places = [(y, x) for y in range(found.shape[2]) for x in range(found.shape[3])]
    assert len(places) >= 6
    windows = np.concatenate([seen[:, :, y : y + side, x : x + side] for y, x in places])
    (expected,) = run(engine(tail(net, features, windows.shape), weights), windows, scores)
    assert_close(np.stack([found[0, :, y, x] for y, x in places]), expected)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("name, share", _cases(["bvlc_alexnet", "bvlc_googlenet"]))
def test_without_paddings_scores_are_the_classifiers_on_every_window_of_the_image(name, share):
    net = without_padding(classifier(name, share))
    weights, scores = random_weights(net), scores_of(net)
    dense_net = convolutionalize(net)
    dense = engine(dense_net, transplant(weights, dense_net).weights)
    side, stride = net.layer[0].input_param.shape[0].dim[2], 32
    shape = (1, 3, side + 2 * stride, side + stride)
    image = np.random.RandomState(4).uniform(-100, 100, shape).astype(np.float32)
    (found,) = run(dense, image, scores)
    assert found.shape[2:] == (3, 2)
    one = engine(net, weights)
    expected = np.zeros_like(found)
    for y in range(3):
        for x in range(2):
            top, left = y * stride, x * stride
            window = image[:, :, top : top + side, left : left + side]
            (expected[:, :, y, x],) = run(one, window, scores)
    # Otherwise all windows could be one.
    assert np.ptp(expected, axis=(2, 3)).max() > 1e-3 * np.abs(expected).max()
    assert_close(found, expected)
