import numpy as np
import pytest

from caffeformat import parse_text, pb, read_net
from fcnkit import nets
from fcnkit.zoo import network_file

INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, %d, %d] } } }'
)
POOL = (
    'layer { name: "%s" type: "Pooling" bottom: "%s" top: "%s" '
    "pooling_param { kernel_size: 2 stride: 2 } }"
)
CONV = (
    'layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" '
    "convolution_param { num_output: 3 kernel_size: %d } }"
)
UP = (
    'layer { name: "%s" type: "Deconvolution" bottom: "%s" top: "%s" '
    "convolution_param { num_output: 3 kernel_size: %d stride: %d } }"
)
# An encoder and a decoder with a skip that is added: multiples of 4 alone.
MULTIPLES = (
    CONV % ("c", "data", "c", 1)
    + POOL % ("p1", "c", "p1")
    + POOL % ("p2", "p1", "p2")
    + UP % ("u1", "p2", "u1", 2, 2)
    + 'layer { name: "sum" type: "Eltwise" bottom: "u1" bottom: "p1" top: "sum" }'
    + UP % ("score", "sum", "score", 2, 2)
)
# A value per place: one size alone.
FIXED = (
    CONV % ("c", "data", "c", 1) + 'layer { name: "prior" type: "Parameter" top: "prior" '
    "parameter_param { shape { dim: [1, 3, 12, 20] } } }"
    + 'layer { name: "score" type: "Eltwise" bottom: "c" bottom: "prior" top: "score" }'
)
# DeepLab: sides of 4 k + 1.
INTERPOLATED = (
    CONV % ("c", "data", "c", 1) + 'layer { name: "down" type: "Pooling" bottom: "c" top: "down" '
    "pooling_param { kernel_size: 3 stride: 4 pad: 1 } }"
    + 'layer { name: "score" type: "Interp" bottom: "down" top: "score" '
    "interp_param { zoom_factor: 4 } }"
)
# Windows that have to fit: 9 pixels and more.
LARGE = (
    CONV % ("c", "data", "c", 9)
    + 'layer { name: "score" type: "Interp" bottom: "c" bottom: "data" top: "score" }'
)
FREE = CONV % ("score", "data", "score", 1)
PYTHON = (
    'layer { name: "own" type: "Python" bottom: "data" top: "own" '
    'python_param { module: "m" layer: "L" } }' + CONV % ("score", "own", "score", 1)
)


def sizes(body, own=(12, 20)):
    source = parse_text(INPUT % own + body, pb.NetParameter)
    message, image = nets.deploy_net(source, (64, 64))
    score = nets.score_blob(message, image)
    return nets.ImageSizes(message, image, score, nets.declared_size(source, image))


@pytest.mark.parametrize(
    ("body", "cases"),
    [
        (FREE, {(1, 1): (1, 1), (37, 50): (37, 50)}),
        (PYTHON, {(1, 1): (1, 1), (37, 50): (37, 50)}),
        (MULTIPLES, {(12, 20): (12, 20), (13, 20): (16, 20), (37, 50): (40, 52), (1, 1): (4, 4)}),
        (INTERPOLATED, {(13, 21): (13, 21), (37, 50): (37, 53), (2, 9): (5, 9)}),
        (LARGE, {(9, 9): (9, 9), (3, 30): (9, 30), (8, 2): (9, 9)}),
        (FIXED, {(12, 20): (12, 20), (5, 7): (12, 20), (5, 70): (12, 20), (90, 70): (12, 20)}),
    ],
)
def test_the_nearest_size_that_the_net_takes(body, cases):
    found = sizes(body)
    for size, expected in cases.items():
        assert found.nearest(size) == expected, size
        assert found.takes(expected)
        assert found.nearest(size) == expected, "the second time"


@pytest.mark.parametrize("body", [MULTIPLES, INTERPOLATED, LARGE])
def test_no_smaller_size_would_have_done(body):
    found, random = sizes(body), np.random.RandomState(0)
    for _ in range(20):
        height, width = random.randint(1, 70, 2).tolist()
        taken = found.nearest((height, width))
        assert found.takes(taken) and taken >= (height, width)
        for rows in range(height, taken[0] + 1):
            for columns in range(width, taken[1] + 1):
                assert found.takes((rows, columns)) == ((rows, columns) == taken)


def test_the_search_begins_where_the_text_leaves_it_open():
    """A net whose own size does not fit, and one without any that does."""
    assert sizes(MULTIPLES, (13, 15)).nearest((37, 50)) == (40, 52)
    assert sizes(FIXED, (13, 15)).nearest((37, 50)) == (37, 50)
    never = POOL % ("score", "data", "score")
    assert sizes(never).nearest((37, 50)) == (37, 50)


def test_networks_of_the_zoo():
    def of(name):
        source = read_net(network_file(name, "deploy.prototxt")[0])
        message, image = nets.deploy_net(source, (64, 64))
        return nets.ImageSizes(message, image, "score", nets.declared_size(source, image))

    assert of("fcn8s_vgg16_bn").nearest((375, 500)) == (384, 512)
    for name in ("voc_fcn8s", "fcn_alexnet", "fcn_camvid"):
        free = of(name)
        for size in ((375, 500), (61, 3), (1, 1), (333, 501)):
            assert free.nearest(size) == size, name


def test_sizes_and_blobs_that_a_text_states():
    net = parse_text(
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        "transform_param { crop_size: 321 } data_param { batch_size: 1 } }" + FREE,
        pb.NetParameter,
    )
    assert nets.declared_size(net, "data") == (321, 321)
    assert nets.declared_size(parse_text(FREE, pb.NetParameter), "data") is None
    net = parse_text(INPUT % (8, 9) + FREE.replace('"score"', '"x"'), pb.NetParameter)
    assert nets.declared_size(net, "data") == (8, 9)
    assert nets.score_blob(net, "data") == "x"
    assert nets.score_blob(net, "data", "y") is None
    softmax = 'layer { name: "p" type: "Softmax" bottom: "x" top: "p" }'
    more = 'layer { name: "i" type: "Interp" bottom: "p" bottom: "data" top: "i" }'
    net = parse_text(
        INPUT % (8, 9) + FREE.replace('"score"', '"x"') + softmax + more, pb.NetParameter
    )
    assert nets.has_probabilities(net, "i") and nets.has_probabilities(net, "p")
    assert not nets.has_probabilities(net, "x") and not nets.has_probabilities(net, "data")


def test_weights_of_an_inner_product_are_made_for_one_size():
    inner = (
        'layer { name: "g" type: "InnerProduct" bottom: "%s" top: "g" '
        "inner_product_param { num_output: 3 } }"
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
        "convolution_param { num_output: 3 kernel_size: 1 } }"
        'layer { name: "r" type: "Reshape" bottom: "g" top: "r" '
        "reshape_param { shape { dim: [1, 3, 1, 1] } } }"
        'layer { name: "i" type: "Interp" bottom: "r" bottom: "data" top: "i" }'
        'layer { name: "score" type: "Eltwise" bottom: "c" bottom: "i" top: "score" }'
    )
    whole = sizes(inner % "data")
    assert whole.nearest((12, 20)) == whole.nearest((40, 9)) == (12, 20)
    pooled = (
        'layer { name: "p" type: "Pooling" bottom: "data" top: "p" '
        "pooling_param { pool: AVE global_pooling: true } }"
    )
    assert sizes(pooled + inner % "p").nearest((40, 9)) == (40, 9)
