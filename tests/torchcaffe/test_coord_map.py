"""pycaffe's `coord_map`: numbers as its scripts compare them, and errors as they catch them."""

import pytest

import torchcaffe as caffe
from caffeformat import InputError
from torchcaffe import layers as L
from torchcaffe.coord_map import coord_map, coord_map_from_to, crop


def _down_and_up(kernel=3, stride=1, pad=0, pool=2, factor=2, up_pad=0):
    net = caffe.NetSpec()
    net.data = L.Input(shape={"dim": [1, 1, 64, 64]})
    net.conv = L.Convolution(net.data, num_output=2, kernel_size=kernel, stride=stride, pad=pad)
    net.pool = L.Pooling(net.conv, kernel_size=pool, stride=pool)
    net.up = L.Deconvolution(
        net.pool,
        convolution_param={
            "num_output": 2,
            "kernel_size": 2 * factor,
            "stride": factor,
            "pad": up_pad,
        },
    )
    return net


def test_one_number_where_all_axes_are_alike():
    net = _down_and_up(pool=4, factor=4)
    axis, scale, shift = coord_map_from_to(net.up, net.data)
    # As in BVLC Caffe; arrays of one number compare as numbers do
    assert (axis, scale, shift) == (1, 1, -1)
    assert len(scale) == len(shift) == 1


def test_one_number_per_axis_where_they_differ():
    both = _down_and_up(kernel=[3, 5], stride=[1, 2], pad=[0, 10])
    axis, scale, shift = coord_map_from_to(both.up, both.data)
    assert axis == 1 and len(scale) == len(shift) == 2
    for index, settings in enumerate(((3, 1, 0), (5, 2, 10))):
        one = _down_and_up(*settings)
        assert coord_map_from_to(one.up, one.data)[1:] == (scale[index], shift[index])


def test_three_spatial_axes():
    net = caffe.NetSpec()
    net.data = L.Input(shape={"dim": [1, 1, 32, 32, 32]})
    net.conv = L.Convolution(net.data, num_output=2, kernel_size=[3, 3, 3], pad=[0, 1, 2])
    net.pool = L.Pooling(net.conv, kernel_size=2, stride=2)
    net.up = L.Deconvolution(net.pool, num_output=2, kernel_size=4, stride=2)
    axis, scale, shift = coord_map_from_to(net.up, net.data)
    assert axis == 1 and scale.tolist() == [1, 1, 1] and shift.tolist() == [0, -1, -2]


def test_identity_has_plain_numbers():
    net = _down_and_up()
    assert coord_map(L.ReLU(net.conv).fn) == (None, 1, 0)
    net.relu = L.ReLU(net.up, in_place=True)
    assert coord_map_from_to(net.relu, net.data) == coord_map_from_to(net.up, net.data)
    assert crop(net.conv, net.conv).fn.params["crop_param"] == {"axis": 2, "offset": [0]}


def test_crop_of_a_crop():
    net = _down_and_up()
    net.crop = L.Crop(net.up, net.data, axis=2, offset=5)
    _, _, shift = coord_map_from_to(net.up, net.data)
    assert coord_map_from_to(net.crop, net.data)[2] == shift + 5


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"pool": 3}, "scale mismatch on crop: expected 1, found 1.5"),
        ({"up_pad": 10}, "cannot crop negative offset"),
        ({"kernel": 4, "pad": 2}, "cannot crop noninteger offset"),
    ],
)
def test_what_cannot_be_cropped_is_an_assertion_error(settings, problem):
    net = _down_and_up(**settings)
    with pytest.raises(AssertionError, match=problem) as caught:
        crop(net.up, net.data)
    assert isinstance(caught.value, InputError)


def test_tops_that_nothing_joins_are_a_runtime_error():
    net = _down_and_up()
    net.fc = L.InnerProduct(net.up, num_output=2)
    for undefined in (coord_map_from_to, crop):
        with pytest.raises(RuntimeError, match="not joined"):
            undefined(net.fc, net.data)
