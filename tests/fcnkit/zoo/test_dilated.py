"""Networks on dilated ResNets: denser features than the classifier's; their heads and options."""

import numpy as np
import pytest

from caffeformat import InputError, NetSpec, filter_net, infer_shapes, pb, read_net
from caffeformat import layers as L
from fcnkit import zoo
from fcnkit.zoo import resnet

pytest.importorskip("torch")  # beside BVLC Caffe there is none

import torchcaffe as caffe

NETWORKS = ["fcn_resnet_50", "fcn_resnet_101", "pspnet_50", "pspnet_101"]


def layers(net):
    return {layer.name: layer for layer in net.layer}


def trunk(style, dilated):
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, 65, 98]})
    resnet.trunk(resnet.Units(n, style.normalized, filled=True), n.data, 50, style, dilated)
    return caffe.Net(net_param=n.to_proto(), phase=caffe.TEST)


@pytest.mark.parametrize("style", ["AUTHORS", pytest.param("V1B", marks=pytest.mark.slow)])
def test_every_fourth_value_of_a_dilated_trunk_is_the_classifiers(style):
    plain, dilated = (trunk(getattr(resnet, style), dilation) for dilation in (False, True))
    for layer, blobs in plain.params.items():
        if len(blobs) == 3:
            blobs[1].data[...] = blobs[2].data[...] = 1  # variance and weight of the statistics
        for blob, same in zip(blobs, dilated.params[layer]):
            same.data[...] = blob.data
    image = np.random.RandomState(0).standard_normal((1, 3, 65, 98))
    found = []
    for net in (plain, dilated):
        net.blobs["data"].data[...] = image
        (top,) = net.forward().values()
        found.append(top)
    few, many = found
    assert few.std() > 0
    assert [-(-size // 4) for size in many.shape[2:]] == list(few.shape[2:])
    assert np.abs(many[:, :, ::4, ::4] - few).max() <= 1e-5 * np.abs(few).max()


@pytest.mark.parametrize(
    "network, form",
    [*((network, {}) for network in NETWORKS), ("fcn_resnet_50", {"v1b": True})],
)
@pytest.mark.parametrize("learned", [False, True])
def test_scores_have_the_size_of_any_image(network, form, learned):
    net = zoo.spec(network).deploy(classes=4, channels=1, learned=learned, **form)
    for size in ((480, 480), (473, 473), (375, 501), (482, 483), (241, 500)):
        shapes = infer_shapes(net, {"data": (1, 1, *size)})
        assert tuple(shapes["score"]) == (1, 4, *size)
        features = shapes["conv6" if "conv6" in shapes else "head_score"]
        assert all(abs(8 * few - many) < 10 for few, many in zip(features[2:], size))


@pytest.mark.parametrize("network", NETWORKS)
def test_trunks_take_the_weights_of_their_classifier_and_heads_learn_faster(network):
    name = (
        network.replace("fcn_", "") if network.startswith("fcn") else f"pspnet_resnet_{network[7:]}"
    )
    classifier = layers(read_net(zoo.path(name, "deploy.prototxt")))
    net = layers(read_net(zoo.path(network, "deploy.prototxt")))
    with_weights = {"Convolution", "BatchNorm", "Scale"}
    kept = [key for key, layer in classifier.items() if layer.type in with_weights]
    assert all(net[key].type == classifier[key].type for key in kept)
    for key, layer in net.items():
        if layer.type in ("Convolution", "Scale"):
            rates = [param.lr_mult for param in layer.param]
            assert (rates == []) == (key in kept), key
            assert all(rate in (10, 20) for rate in rates), key


@pytest.mark.parametrize("network, weight", [("fcn_resnet_50", 0.5), ("pspnet_101", 0.4)])
def test_the_auxiliary_head_is_there_in_training_only(network, weight):
    net = zoo.spec(network).files(auxiliary=True)["train_val.prototxt"]
    training, testing = (layers(filter_net(net, phase)) for phase in (pb.TRAIN, pb.TEST))
    extra = {key for key in training if key not in testing}
    assert {"aux_conv", "aux_score", "aux", "loss_aux"} <= extra
    assert set(testing) - set(training) == {"accuracy"}
    assert training["loss_aux"].loss_weight == pytest.approx([weight])
    assert training["aux_conv"].convolution_param.num_output == 256
    assert training["aux_conv"].bottom[0].startswith(("res4", "conv4"))
    assert "aux_conv" not in layers(zoo.spec(network).files(auxiliary=False)["train_val.prototxt"])


def test_the_older_head_normalizes_before_each_convolution():
    net = zoo.spec("fcn_resnet_50").deploy(older_head=True)
    types = [layer.type for layer in net.layer]
    end = types.index("Interp")
    assert types[end - 8 : end] == ["BatchNorm", "Scale", "ReLU", "Convolution"] * 2
    # The trunk's last block stays as it is for whoever else reads it.
    assert net.layer[end - 8].top != net.layer[end - 8].bottom


def test_frozen_networks_keep_to_stored_statistics():
    for network in ("fcn_resnet_50", "pspnet_50"):
        for frozen in (False, True):
            net = zoo.spec(network).deploy(frozen=frozen)
            stored = {
                layer.batch_norm_param.use_global_stats
                for layer in net.layer
                if layer.type == "BatchNorm"
            }
            assert stored == {frozen}


@pytest.mark.parametrize("size, features", [((473, 473), 60), ((480, 641), None), ((41, 41), 6)])
def test_the_pyramid_has_1_2_3_and_6_parts_along_each_axis(size, features):
    net = zoo.spec("pspnet_50").deploy(size=size)
    shapes = infer_shapes(net)
    if features:
        assert tuple(shapes["conv5_3"][2:]) == (features, features)
    for bins in (1, 2, 3, 6):
        assert tuple(shapes[f"conv5_3_pool{bins}"][1:]) == (2048, bins, bins)
        assert shapes[f"conv5_3_pool{bins}_interp"][2:] == shapes["conv5_3"][2:]
    assert shapes["conv5_3_concat"][1] == 2048 + 4 * 512


def test_the_pyramids_windows_at_the_published_size_are_the_published_ones():
    net = layers(read_net(zoo.path("pspnet_101", "deploy.prototxt")))
    for bins in (2, 3, 6):
        param = net[f"conv5_3_pool{bins}"].pooling_param
        assert (param.kernel_size, param.stride) == (60 // bins, 60 // bins)
        assert param.pool == pb.PoolingParameter.AVE
    assert net["conv5_3_pool1"].pooling_param.global_pooling


def test_an_image_too_small_for_the_pyramid_is_refused_with_the_least_size():
    with pytest.raises(InputError, match=r"5 x 60 .* at least 41 pixels"):
        zoo.spec("pspnet_50").deploy(size=(33, 473))


@pytest.mark.slow
@pytest.mark.parametrize("network", [*NETWORKS, "voc_fcn_googlenet", "fcn8s_vgg16_bn"])
def test_the_network_runs_in_the_engine_at_other_sizes(network):
    net = caffe.Net(zoo.path(network, "deploy.prototxt"), caffe.TEST)
    sizes = [(256, 320)] if network == "fcn8s_vgg16_bn" else [(241, 257), (236, 300)]
    for size in sizes:
        net.blobs["data"].reshape(1, 3, *size)
        classes = 150 if network == "pspnet_50" else 21
        assert net.forward()["score"].shape == (1, classes, *size)
