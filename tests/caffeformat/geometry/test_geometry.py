"""Coordinate maps, crop offsets and receptive fields of nets, against brute force."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffeformat import InputError, geometry, infer_shapes, parse_text, pb


def _net(text):
    return parse_text(text, pb.NetParameter)


def _conv(name, bottom, fields, kind="Convolution"):
    param = "pooling_param" if kind == "Pooling" else "convolution_param { num_output: 1 }"
    param = param.split()[0]
    outputs = "" if kind == "Pooling" else "num_output: 1"
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" '
        f"{param} {{ {outputs} {fields} }} }}\n"
    )


FCN_ALEXNET = (
    _conv("conv1", "data", "kernel_size: 11 stride: 4 pad: 100")
    + 'layer { name: "relu" type: "ReLU" bottom: "conv1" top: "conv1" }'
    + _conv("pool1", "conv1", "kernel_size: 3 stride: 2", "Pooling")
    + _conv("conv2", "pool1", "kernel_size: 5 pad: 2")
    + _conv("pool2", "conv2", "kernel_size: 3 stride: 2", "Pooling")
    + _conv("conv3", "pool2", "kernel_size: 3 pad: 1")
    + _conv("pool5", "conv3", "kernel_size: 3 stride: 2", "Pooling")
    + _conv("fc6", "pool5", "kernel_size: 6")
    + _conv("upscore", "fc6", "kernel_size: 63 stride: 32", "Deconvolution")
    + 'layer { name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score" }'
)


def test_the_offset_of_fcn_alexnet():
    assert geometry.crop_offset(_net(FCN_ALEXNET), "score") == 18


def test_offsets_through_an_earlier_crop_and_a_sum():
    text = (
        _conv("c", "data", "kernel_size: 3 stride: 2 pad: 10")
        + _conv("d", "c", "kernel_size: 3 stride: 2 pad: 1")
        + _conv("up", "d", "kernel_size: 4 stride: 2 pad: 1", "Deconvolution")
        + 'layer { name: "cc" type: "Crop" bottom: "c" bottom: "up" top: "cc" '
        + "crop_param { offset: 3 } }"
        + 'layer { name: "sum" type: "Eltwise" bottom: "cc" bottom: "up" top: "sum" }'
        + _conv("up2", "sum", "kernel_size: 3 stride: 2 pad: 1", "Deconvolution")
        + 'layer { name: "out" type: "Crop" bottom: "up2" bottom: "data" top: "out" }'
    )
    # c's pixel 0 lies at -9, so that after three cropped ones up2 would begin at -3
    assert geometry.crop_offset(_net(text), "out") == 3


def test_axes_with_offsets_of_their_own():
    text = (
        _conv("c", "x", "kernel_size: 1 pad_h: 3 pad_w: 5")
        + 'layer { name: "crop" type: "Crop" bottom: "c" bottom: "x" top: "y" crop_param { AXIS } }'
    )
    for axis, expected in [
        ("", (3, 5)),
        ("axis: 1", (0, 3, 5)),
        ("axis: 3", 5),
        ("axis: -2", (3, 5)),
    ]:
        net = _net(text.replace("AXIS", axis))
        assert geometry.crop_offset(net, "crop") == expected
        net.layer[1].crop_param.offset.extend(np.atleast_1d(expected).tolist())
        back = geometry.coord_map(net, "y", "x")
        assert back.shift[1:] == (0,) and (axis == "axis: 3" or back.shift[0] == 0)


def test_axes_that_are_not_cropped_may_lie_anywhere():
    text = (
        _conv("c", "x", "kernel_h: 1 kernel_w: 5 pad_h: 0 pad_w: 4")
        + _conv("d", "x", "kernel_h: 4 kernel_w: 1 pad_h: 9 pad_w: 0")
        + 'layer { name: "crop" type: "Crop" bottom: "c" bottom: "d" top: "y" crop_param { AXIS } }'
    )
    # d begins 7.5 rows before c and 2 columns behind it.
    assert geometry.crop_offset(_net(text.replace("AXIS", "axis: 3")), "crop") == 2
    with pytest.raises(InputError, match=r"begins at -7\.5"):
        geometry.crop_offset(_net(text.replace("AXIS", "")), "crop")


@pytest.mark.parametrize(
    "text, name, words",
    [
        (FCN_ALEXNET, "scroe", 'no Crop layer "scroe".*Did you mean "score"'),
        (FCN_ALEXNET.replace("stride: 32", "stride: 16"), "score", "scaled by 0.5"),
        (FCN_ALEXNET.replace("pad: 100", "pad: 0"), "score", "begins at -82"),
        (FCN_ALEXNET.replace("63 stride", "64 stride"), "score", "begins at 18.5"),
        (
            FCN_ALEXNET.replace('"Crop" bottom: "upscore"', '"Crop" bottom: "z"'),
            "score",
            'no blob "z"',
        ),
    ],
)
def test_crops_that_cannot_align(text, name, words):
    with pytest.raises(InputError, match=words):
        geometry.crop_offset(_net(text), name)


def test_layers_without_coordinates_end_a_path():
    text = _conv("c", "x", "kernel_size: 1") + _conv("p", "c", "global_pooling: true", "Pooling")
    assert geometry.layer_map(_net(text).layer[1]) is None
    with pytest.raises(InputError, match="no path"):
        geometry.coord_map(_net(text), "p", "x")
    assert "p" not in geometry.receptive_fields(_net(text))
    with pytest.raises(InputError, match='no blob "nothing"'):
        geometry.coord_map(_net(text), "nothing", "x")


windows = st.tuples(
    st.sampled_from(["Convolution", "Pooling"]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 2),
)


def _chain(layers):
    text, below = "", "x"
    for i, (kind, kernel, stride, pad, dilation) in enumerate(layers):
        more = f"dilation: {dilation}" if kind == "Convolution" else "round_mode: FLOOR"
        pad = min(pad, kernel - 1)
        fields = f"kernel_size: {kernel} stride: {stride} pad: {pad} {more}"
        text, below = text + _conv(f"l{i}", below, fields, kind), f"l{i}"
    return _net(text), below


def _seen(layers, size, output):
    """First and last pixel (perhaps in the padding) that value `output` of a chain sees."""
    first = last = output
    for kind, kernel, stride, pad, dilation in reversed(layers):
        pad = min(pad, kernel - 1)
        reach = (kernel - 1) * (dilation if kind == "Convolution" else 1)
        first, last = first * stride - pad, last * stride - pad + reach
    return first, last


@settings(deadline=None, max_examples=60)
@given(st.lists(windows, min_size=1, max_size=4), st.integers(0, 3))
def test_maps_and_fields_equal_those_of_walking_every_window(layers, output):
    net, top = _chain(layers)
    first, last = _seen(layers, 200, output)
    field = geometry.receptive_fields(net)[top]
    assert field.size[0] == last - first + 1
    assert field.center[0] + output * field.stride[0] == Fraction(first + last, 2)
    there = geometry.coord_map(net, top, "x")
    assert (there.scale[0], there.shift[0]) == (field.stride[0], field.center[0])
    back = geometry.coord_map(net, "x", top)
    assert back.then(there).shift[0] == 0 and back.then(there).scale[0] == 1
    assert infer_shapes(net, {"x": (1, 1, 600, 600)})[top][0] == 1
