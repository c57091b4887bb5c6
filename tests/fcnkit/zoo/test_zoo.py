"""Networks without a published table: their form, at their published size and at others."""

import pytest

from caffeformat import infer_shapes, read_net
from fcnkit import zoo


def layers(net):
    return {layer.name: layer for layer in net.layer}


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("size", [(500, 500), (375, 501), (97, 33), (224, 31)])
def test_fcn_googlenet_scores_every_pixel_of_any_image(size, learned):
    net = zoo.spec("voc_fcn_googlenet").deploy(classes=7, learned=learned)
    assert tuple(infer_shapes(net, {"data": (1, 3, *size)})["score"]) == (1, 7, *size)


def test_fcn_googlenet_takes_the_classifiers_layers_but_its_pooling_and_scores():
    classifier = read_net(zoo.path("bvlc_googlenet", "deploy.prototxt"))
    net = layers(read_net(zoo.path("voc_fcn_googlenet", "deploy.prototxt")))
    gone = {"data", "prob", "pool5/7x7_s1", "loss3/classifier"}
    assert {layer.name for layer in classifier.layer} - set(net) == gone - {"data"}
    for layer in classifier.layer:
        if layer.name in gone | {"conv1/7x7_s2", "pool5/drop_7x7_s1"}:
            continue
        assert layer == net[layer.name]
    assert net["score_fr"].bottom == ["inception_5b/output"]


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("size", [(512, 512), (352, 480), (32, 96)])
def test_same_padding_needs_no_crop(size, learned):
    net = zoo.spec("fcn8s_vgg16_bn").deploy(classes=5, channels=1, learned=learned)
    shapes = infer_shapes(net, {"data": (2, 1, *size)})
    assert tuple(shapes["score"]) == (2, 5, *size)
    height, width = size
    assert tuple(shapes["fc7"]) == (2, 4096, height // 32, width // 32)
    assert not [layer for layer in net.layer if layer.type in ("Crop", "Dropout")]


def test_same_padding_upsampling_learns_from_xavier_unless_it_stays_bilinear():
    for learned, rate, filler, groups in ((True, 1, "xavier", 1), (False, 0, "bilinear", 21)):
        net = layers(zoo.spec("fcn8s_vgg16_bn").deploy(learned=learned))
        for name, kernel in (("upscore2", 4), ("upscore_pool4", 4), ("score", 16)):
            param = net[name].convolution_param
            assert [p.lr_mult for p in net[name].param] == [rate]
            assert (param.weight_filler.type, param.group) == (filler, groups)
            assert (list(param.kernel_size), list(param.pad)) == ([kernel], [kernel // 4])


@pytest.mark.parametrize("network, pairs", [("vgg16_bn", 13), ("fcn8s_vgg16_bn", 15)])
def test_batch_norm_stands_between_every_convolution_and_its_relu(network, pairs):
    net = read_net(zoo.path(network, "deploy.prototxt"))
    types = [layer.type for layer in net.layer]
    places = [i for i, kind in enumerate(types) if kind == "BatchNorm"]
    assert len(places) == pairs
    for i in places:
        assert types[i - 1 : i + 3] == ["Convolution", "BatchNorm", "Scale", "ReLU"]
        assert len({layer.top[0] for layer in net.layer[i - 1 : i + 3]}) == 1


def test_biases_before_batch_norm_are_for_weights_that_have_them():
    for bias, blobs in ((False, 1), (True, 2)):
        net = layers(zoo.spec("fcn8s_vgg16_bn").deploy(bias=bias))
        assert net["conv1_1"].convolution_param.bias_term is bias
        assert len(net["conv1_1"].param) == blobs
    assert layers(zoo.spec("vgg16_bn").deploy())["conv1_1"].convolution_param.bias_term
