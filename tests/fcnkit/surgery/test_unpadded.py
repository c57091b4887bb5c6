"""Classifiers without padding: their values are the original ones, of whole windows alone."""

import numpy as np
import pytest
from branched_classifiers import branched_classifier

from caffeformat import NetSpec, Weights, geometry, infer_shapes, read_net
from caffeformat import layers as L
from caffeformat import params as P
from fcnkit import zoo
from fcnkit.nets import check_crops, is_right, net_parameters
from fcnkit.surgery import convolutionalize, transplant, without_padding

SIZE = 63


def started():
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 2, SIZE, SIZE]})
    return n


def scored(n, top, pool=True):
    if pool:
        n.pool = top = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc = L.InnerProduct(top, num_output=5)
    return n.to_proto()


def conv(bottom, kernel, **settings):
    return L.Convolution(bottom, num_output=3, kernel_size=kernel, **settings)


def pool(bottom, **settings):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, **settings)


def inceptions():
    """As GoogLeNet: branches of different kernels; and a second one that strides in each branch."""
    n = started()
    n.conv1 = conv(n.data, 5, stride=2, pad=2)
    n.pool1 = pool(n.conv1, stride=2)
    n.a1, n.a3, n.a5 = (conv(n.pool1, k, pad=k // 2) for k in (1, 3, 5))
    n.a0 = pool(n.pool1, stride=1, pad=1)
    n.a = L.Concat(n.a1, n.a3, n.a5, n.a0)
    n.relu = L.ReLU(n.a, in_place=True)
    n.b3 = conv(n.relu, 3, pad=1, stride=2)
    n.b5a = conv(n.relu, 3, pad=1)
    n.b5 = conv(n.b5a, 3, pad=1, stride=2)
    n.b0 = pool(n.relu, stride=2, pad=1, round_mode=P.Pooling.FLOOR)
    n.b = L.Concat(n.b3, n.b0, n.b5)
    return scored(n, n.b)


def flat_kernels():
    """As the last modules of Inception v3: 1x3 and 3x1 side by side, none as large as both."""
    n = started()
    n.conv1 = conv(n.data, 4, stride=4)
    n.wide = L.Convolution(n.conv1, num_output=3, kernel_h=1, kernel_w=3, pad_h=0, pad_w=1)
    n.high = L.Convolution(n.conv1, num_output=3, kernel_h=5, kernel_w=1, pad_h=2, pad_w=0)
    n.one = conv(n.conv1, 1)
    n.both = L.Concat(n.wide, n.high, n.one)
    return scored(n, n.both)


def residual(late, pool=True):
    """As ResNet-50: the first 1x1 of a block strides, or (late) its 3x3, as torchvision's does."""
    n = started()
    n.conv1 = conv(n.data, 7, stride=2, pad=3)
    n.plain1 = conv(n.conv1, 3, pad=1)
    n.sum1 = L.Eltwise(n.plain1, n.conv1)
    n.relu = L.ReLU(n.sum1, in_place=True)
    n.down1 = conv(n.relu, 1, stride=1 if late else 2)
    n.norm = L.BatchNorm(n.down1, in_place=True)
    n.down2 = conv(n.norm, 3, pad=1, stride=2 if late else 1)
    n.short = conv(n.relu, 1, stride=2)
    n.sum2 = L.Eltwise(n.short, n.down2)
    n.last1 = conv(n.sum2, 3, pad=1)
    n.sum3 = L.Eltwise(n.sum2, n.last1)
    return scored(n, n.sum3, pool)


def shared_stride():
    """Two branches of three stride together, and lie one pixel of `conv1` before the third."""
    n = started()
    n.conv1 = conv(n.data, 5, stride=2, pad=2)
    n.deep1 = conv(n.conv1, 3, pad=1)
    n.deep2 = conv(n.deep1, 3, pad=1, stride=2)
    n.down = conv(n.conv1, 3, pad=1, stride=2)
    n.left, n.right = conv(n.down, 1), conv(n.down, 1)
    n.all = L.Concat(n.left, n.deep2, n.right)
    return scored(n, n.all)


NETS = {
    "shared stride": shared_stride,
    "inceptions": inceptions,
    "flat kernels": flat_kernels,
    "residual": lambda: residual(False),
    "late stride": lambda: residual(True),
    "inner product of a grid": lambda: residual(True, pool=False),
}


def pair(values):
    return tuple(values) * (2 // len(values))


def crops(net):
    return {
        layer.name: list(layer.crop_param.offset) for layer in net.layer if layer.type == "Crop"
    }


def weights_of(net):
    random = np.random.RandomState(0)
    return Weights(
        {
            layer.name: [random.standard_normal(blob.shape).astype(np.float32) for blob in blobs]
            if layer.type != "BatchNorm"
            else [np.full(blob.shape, 0.5, np.float32) for blob in blobs]
            for layer, blobs in net_parameters(net)
        }
    )


def scores(net, weights, images):
    """Scores of the net's inner product or convolution `fc` for images of N x C x H x W."""
    caffe = pytest.importorskip("torchcaffe")
    made = caffe.Net(net_param=net, phase=caffe.TEST)
    for name, arrays in transplant(weights, net).weights.items():
        for blob, array in zip(made.params[name], arrays):
            blob.data[...] = array
    made.blobs["data"].reshape(*images.shape)
    made.blobs["data"].data[...] = images
    return made.forward()["fc"].copy()


def assert_close(found, expected):
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def check_values(net):
    """Without padding, values must be those of the classifier itself in the same places."""
    weights = weights_of(net)
    dense, bare = convolutionalize(net), convolutionalize(without_padding(net))
    field = geometry.receptive_fields(bare)["fc"]
    own = geometry.receptive_fields(dense)["fc"]
    stride = int(field.stride[0])
    # The padded net looks from where its grid falls onto the other's.
    shifts = [int(a - b) for a, b in zip(pair(field.center), pair(own.center))]
    begins, firsts = zip(*((shift % stride, shift // stride) for shift in shifts))
    # A size at which its branches fit, as they do at its own, for some places of the other net.
    _, channels, size, _ = net.layer[0].input_param.shape[0].dim
    sizes = pair(bare.layer[0].input_param.shape[0].dim[2:])
    periods = max(-(-(a - size) // stride) for a in sizes) + 2
    height, width = (begin + size + max(periods, 0) * stride for begin in begins)
    random = np.random.RandomState(1)
    image = random.standard_normal((1, channels, height, width)).astype(np.float32)
    found = scores(bare, weights, image)
    expected = scores(dense, weights, image[:, :, begins[0] :, begins[1] :])
    height, width = found.shape[2:]
    assert min(height, width) >= 2
    expected = expected[:, :, firsts[0] : firsts[0] + height, firsts[1] : firsts[1] + width]
    # What begins before the padded net's image has its padding in sight.
    top, left = (min(begin, 1) for begin in begins)
    assert_close(found[:, :, top:, left:], expected[:, :, top:, left:])


@pytest.mark.parametrize("name", NETS)
def test_values_are_the_classifiers_own_where_no_padding_is_in_sight(name):
    check_values(NETS[name]())


@pytest.mark.parametrize("seed", range(10))
def test_so_they_are_for_random_classifiers(seed):
    check_values(branched_classifier(np.random.RandomState(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10, 130, 20))
def test_so_they_are_for_many_more(first):
    for seed in range(first, first + 20):
        check_values(branched_classifier(np.random.RandomState(seed)))


@pytest.mark.parametrize("name", NETS)
def test_scores_are_the_classifiers_on_every_window_of_an_image(name):
    one = without_padding(NETS[name]())
    weights, dense = weights_of(one), convolutionalize(one)
    size = tuple(one.layer[0].input_param.shape[0].dim[2:])
    stride = int(geometry.receptive_fields(dense)["fc"].stride[0])
    # One pixel more does not make a window.
    shape = (1, 2, size[0] + 2 * stride + 1, size[1] + stride + stride - 1)
    image = np.random.RandomState(2).standard_normal(shape).astype(np.float32)
    found = scores(dense, weights, image)
    assert found.shape[2:] == (3, 2)
    places = [(y, x) for y in range(3) for x in range(2)]
    windows = [
        image[0, :, y * stride : y * stride + size[0], x * stride : x * stride + size[1]]
        for y, x in places
    ]
    one.layer[0].input_param.shape[0].dim[0] = len(windows)
    assert_close(
        np.stack([found[0, :, y, x] for y, x in places]), scores(one, weights, np.stack(windows))
    )


@pytest.mark.parametrize("name", NETS)
def test_crops_are_where_the_geometry_has_them_and_fit_images_of_every_size(name):
    made = without_padding(NETS[name]())
    checks = check_crops(made)
    assert checks and all(map(is_right, checks))
    least = made.layer[0].input_param.shape[0].dim[2]
    for size in range(least, least + 12):
        infer_shapes(convolutionalize(made), {"data": (1, 2, size, size + 1)})


def test_the_fully_connected_part_reads_as_large_a_grid_as_before():
    net = residual(False, pool=False)
    made = without_padding(net)
    assert infer_shapes(made)["sum3"][2:] == infer_shapes(net)["sum3"][2:] == (16, 16)
    # 15 strides of 4 more than one place sees: kernels 7, 3, 3, 3 at strides 1, 2, 4, 4.
    assert list(made.layer[0].input_param.shape[0].dim[2:]) == [15 * 4 + 27] * 2


def test_layers_without_tops_stay():
    net = residual(False)
    net.layer.add(name="quiet", type="Silence", bottom=["down1"])
    assert without_padding(net).layer[-1] == net.layer[-1]


def test_branches_are_cropped_to_the_one_that_sees_most():
    made = without_padding(inceptions())
    assert crops(made) == {
        "a1_crop": [2],
        "a3_crop": [1],
        "a0_crop": [1],
        # Before both strides of 2 whose branches lie one pixel of `a` before the third
        "a_crop": [1],
        "a_crop_2": [1],
    }


def test_a_shortcut_loses_a_frame_before_it_strides():
    made = without_padding(residual(True))
    assert crops(made)["sum1_crop"] == [1]
    short = next(layer for layer in made.layer if layer.name == "short")
    assert list(short.bottom) == ["sum1_crop"]
    assert crops(without_padding(residual(False)))["short_crop"] == [1]


def test_chains_lose_their_paddings_and_nothing_else():
    net = read_net(zoo.path("vgg16", "deploy.prototxt"))
    made = without_padding(net)
    assert [layer.name for layer in made.layer] == [layer.name for layer in net.layer]
    for layer in net.layer:
        layer.convolution_param.ClearField("pad")
    assert infer_shapes(made) == infer_shapes(net, {"data": (10, 3, 404, 404)})
