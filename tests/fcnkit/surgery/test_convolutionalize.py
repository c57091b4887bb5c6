"""Classifiers made fully convolutional, from their text alone."""

import numpy as np
import pytest

from caffeformat import (
    InputError,
    Weights,
    infer_shapes,
    parse_text,
    pb,
    read_net,
    write_caffemodel,
    write_text,
)
from fcnkit import zoo
from fcnkit.nets import net_parameters
from fcnkit.surgery import convolutionalize, transplant

NET = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 8 dim: 10 } } }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool"
        pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "drop" type: "Dropout" bottom: "flat" top: "drop" }
layer { name: "fc" type: "InnerProduct" bottom: "drop" top: "fc" param { lr_mult: 3 }
        inner_product_param { num_output: 5 bias_term: false weight_filler { type: "msra" } %s } }
"""


def net(more=""):
    return parse_text(NET % more, pb.NetParameter)


def test_an_inner_product_becomes_a_convolution_of_its_bottoms_size():
    made = convolutionalize(net()).layer[-1]
    expected = parse_text(
        'name: "fc" type: "Convolution" bottom: "drop" top: "fc" param { lr_mult: 3 }'
        " convolution_param { num_output: 5 bias_term: false kernel_h: 4 kernel_w: 5"
        '                     weight_filler { type: "msra" } }',
        pb.LayerParameter,
    )
    assert made == expected
    assert net().layer[-1].type == "InnerProduct"


def test_a_larger_image_has_a_score_for_each_window():
    shapes = infer_shapes(convolutionalize(net()), {"data": (2, 3, 12, 10)})
    assert shapes["fc"] == (2, 5, 3, 1)


@pytest.mark.parametrize("network", ["bvlc_alexnet", "vgg16", "bvlc_googlenet", "resnet_50"])
def test_a_classifier_keeps_its_names_and_numbers_of_weights(network):
    classifier = read_net(zoo.path(network, "deploy.prototxt"))
    made = convolutionalize(classifier)
    assert not any(layer.type == "InnerProduct" for layer in made.layer)

    def sizes(of):
        return {
            layer.name: [blob.shape[0] for blob in blobs] for layer, blobs in net_parameters(of)
        }

    assert sizes(made) == sizes(classifier)
    first = classifier.layer[0]
    size = tuple(first.input_param.shape[0].dim)
    scores = made.layer[-1].bottom[0]
    assert infer_shapes(made)[scores] == (size[0], 1000, 1, 1)
    larger = infer_shapes(made, {"data": (1, 3, size[2] + 64, size[3] + 32)})
    assert larger[scores] == (1, 1000, 3, 2)


def test_global_pooling_gets_the_kernel_it_had():
    text = NET.replace("kernel_size: 2 stride: 2", "pool: AVE global_pooling: true")
    made = convolutionalize(parse_text(text % "", pb.NetParameter))
    assert infer_shapes(made, {"data": (1, 3, 9, 13)})["fc"] == (1, 5, 2, 4)


@pytest.mark.parametrize("more", ["transpose: true", "axis: 2"])
def test_what_no_convolution_computes_is_an_error(more):
    with pytest.raises(InputError, match='layer "fc"'):
        convolutionalize(net(more))


CLASSIFIER = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 11 dim: 13 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 6 } }
layer { name: "out" type: "InnerProduct" bottom: "fc" top: "out"
        inner_product_param { num_output: 3 } }
"""


def test_scores_are_the_classifiers_on_every_window(tmp_path):
    caffe = pytest.importorskip("torchcaffe")
    random = np.random.RandomState(0)
    classifier = parse_text(CLASSIFIER, pb.NetParameter)
    weights = Weights(
        {
            layer.name: [random.standard_normal(blob.shape).astype(np.float32) for blob in blobs]
            for layer, blobs in net_parameters(classifier)
        }
    )
    fcn = convolutionalize(classifier)

    def engine(net, weights, name):
        write_text(tmp_path / f"{name}.prototxt", net)
        write_caffemodel(tmp_path / f"{name}.caffemodel", weights, net)
        paths = (str(tmp_path / f"{name}.{kind}") for kind in ("prototxt", "caffemodel"))
        return caffe.Net(*paths, caffe.TEST)

    def scores(net, image):
        net.blobs["data"].reshape(*image.shape)
        net.blobs["data"].data[...] = image
        return net.forward()["out"].copy()

    image = random.standard_normal((1, 3, 17, 15)).astype(np.float32)
    dense = scores(engine(fcn, transplant(weights, fcn).weights, "fcn"), image)
    one = engine(classifier, weights, "classifier")
    assert dense.shape == (1, 3, 4, 2)
    for y in range(4):
        for x in range(2):
            window = scores(one, image[:, :, 2 * y : 2 * y + 11, 2 * x : 2 * x + 13])
            np.testing.assert_allclose(dense[0, :, y, x], window[0], rtol=1e-5, atol=1e-4)
