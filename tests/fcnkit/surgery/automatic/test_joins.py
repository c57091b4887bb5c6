"""Branches that fit at the classifier's own size are made to fit on images of every size."""

import pytest

from caffeformat import InputError, NetSpec, geometry, infer_shapes, pb
from caffeformat import layers as L
from caffeformat import params as P
from fcnkit.nets import check_crops, is_right
from fcnkit.surgery import fcn_from_classifier
from fcnkit.surgery.automatic.report import rows


def pooled(bottom, kernel=3, **settings):
    return L.Pooling(bottom, pool=P.Pooling.AVE, kernel_size=kernel, **settings)


def conv(bottom, **settings):
    return L.Convolution(bottom, num_output=4, kernel_size=3, **settings)


def classifier(branches, size=25):
    """Two branches that read the same, joined; `branches` makes both."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, 3, size, size]})
    n.stem = conv(n.data, pad=1, stride=2)
    n.first, n.second = branches(n.stem)
    n.both = L.Concat(n.first, n.second)
    n.last = conv(n.both, pad=1)
    n.fc = L.InnerProduct(n.last, num_output=5)
    return n.to_proto()


def join_crops(fcn):
    found = [layer for layer in fcn.net.layer if layer.type == "Crop" and layer.top[0] != "score"]
    return {layer.name: (list(layer.bottom), list(layer.crop_param.offset)) for layer in found}


def test_a_pooling_that_rounds_up_is_cropped_to_a_convolution_that_rounds_down():
    net = classifier(lambda x: (conv(x, pad=1, stride=2), pooled(x, pad=1, stride=2)))
    own = infer_shapes(net)
    assert own["first"] == own["second"]
    fcn = fcn_from_classifier(net, 2)
    assert join_crops(fcn) == {"second_crop": (["second", "first"], [0])}
    join = next(layer for layer in fcn.net.layer if layer.name == "both")
    assert list(join.bottom) == ["first", "second_crop"]
    for size in range(1, 9):
        shapes = infer_shapes(fcn.net, {"data": (1, 3, size, size + 1)})
        assert shapes["score"] == (1, 2, size, size + 1)
    assert all(map(is_right, check_crops(fcn.net)))
    table = {row.layer: row for row in rows(fcn)}
    assert table["second_crop"].action == "crops second to the size of first on every image"


def test_branches_that_lie_apart_are_cropped_from_their_beginning():
    """As the modules of Inception with BatchNorm that stride: no padding beside the pooling."""
    net = classifier(lambda x: (conv(x, pad=1, stride=2), pooled(x, stride=2)), 27)
    fcn = fcn_from_classifier(net, 2)
    assert join_crops(fcn) == {"first_crop": (["first", "second"], [0])}
    assert fcn.changes["both"] == "joins branches that lie 2 pixels apart"
    for size in range(1, 9):
        assert infer_shapes(fcn.net, {"data": (1, 3, size, size)})["score"][2:] == (size, size)


def test_convolutions_dilated_beside_a_pooling_meet_it_in_its_middle():
    net = classifier(lambda x: (conv(x), pooled(x, stride=1)))
    # Features of stride 1, so that stride 2 is one to dilate.
    start = pb.LayerParameter()
    start.CopyFrom(net.layer[1])
    start.name = start.top[0] = net.layer[1].bottom[0] = "start"
    start.convolution_param.stride[0] = 1
    net.layer.insert(1, start)
    assert join_crops(fcn_from_classifier(net, 2, 2)) == {}
    fcn = fcn_from_classifier(net, 2, 1, dilated=True)
    assert join_crops(fcn) == {"second_crop": (["second", "first"], [1])}
    fields = geometry.receptive_fields(fcn.net)
    assert set(fields["first"].center) == set(fields["second_crop"].center)
    assert "both" not in fcn.changes


def test_branches_that_always_fit_are_left_alone():
    fcn = fcn_from_classifier(
        classifier(
            lambda x: (
                conv(x, pad=1, stride=2),
                pooled(x, pad=1, stride=2, round_mode=P.Pooling.FLOOR),
            )
        ),
        2,
    )
    assert join_crops(fcn) == {}


def test_branches_of_which_none_fits_into_the_other_are_an_error():
    def branches(x):
        # Rows: the first has more on some images; columns: the second has.
        window = {"kernel_h": 3, "pad_h": 1, "pad_w": 1}
        tall = L.Pooling(x, pool=P.Pooling.AVE, kernel_w=4, stride=2, **window)
        return tall, L.Convolution(x, num_output=4, kernel_w=2, stride=2, **window)

    with pytest.raises(InputError, match='layer "both": its branches first, second'):
        fcn_from_classifier(classifier(branches), 2)
