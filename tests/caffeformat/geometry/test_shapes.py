"""Blob shapes follow from a net's text, and shapes that do not fit are named with their layer."""

import numpy as np
import pytest
from places import GOLDEN

from caffeformat import InputError, filter_net, infer_shapes, parse_text, pb

LAYERS = GOLDEN / "layers"


@pytest.mark.skipif(not LAYERS.is_dir(), reason="no golden layers here")
def test_shapes_that_caffe_computed():
    compared = 0
    for path in sorted(LAYERS.glob("*.npz")):
        if path.name.startswith("filter_"):
            continue  # how much a Filter layer leaves depends on the values
        case = np.load(path)
        net = parse_text(str(case["prototxt"]), pb.NetParameter, source=path)
        shapes = infer_shapes(filter_net(net, int(case["phase"])))
        for key in case.files:
            if key.startswith("out:"):
                assert shapes[key[4:]] == case[key].shape, path.name
                compared += 1
    assert compared > 100


def _shape(layers, blob="y", **input_shapes):
    return infer_shapes(parse_text(layers, pb.NetParameter), input_shapes)[blob]


def _layer(kind, fields="", bottoms=("x",)):
    bottom = " ".join(f'bottom: "{name}"' for name in bottoms)
    return f'layer {{ name: "l" type: "{kind}" {bottom} top: "y" {fields} }}'


@pytest.mark.parametrize(
    "fields, bottom, top",
    [
        ("num_output: 4 kernel_size: 3", (1, 3, 10, 12), (1, 4, 8, 10)),
        ("num_output: 4 kernel_size: 3 stride: 2", (1, 3, 10, 12), (1, 4, 4, 5)),
        ("num_output: 4 kernel_size: 3 dilation: 2 pad: 2", (1, 3, 9, 9), (1, 4, 9, 9)),
        ("num_output: 4 kernel_h: 1 kernel_w: 5 pad_w: 1", (1, 3, 9, 9), (1, 4, 9, 7)),
        ("num_output: 2 kernel_size: [1, 2, 3]", (1, 3, 4, 5, 6), (1, 2, 4, 4, 4)),
        ("num_output: 5 axis: 2 kernel_size: 2", (2, 3, 4, 8), (2, 3, 5, 7)),
    ],
)
def test_convolutions(fields, bottom, top):
    assert _shape(_convolution(fields), x=bottom) == top


@pytest.mark.parametrize(
    "fields, bottom, top",
    [
        ("num_output: 2 kernel_size: 63 stride: 32", (1, 2, 3, 4), (1, 2, 127, 159)),
        ("num_output: 2 kernel_size: 4 stride: 2 pad: 1", (1, 2, 3, 4), (1, 2, 6, 8)),
    ],
)
def test_deconvolutions(fields, bottom, top):
    assert _shape(_layer("Deconvolution", f"convolution_param {{ {fields} }}"), x=bottom) == top


@pytest.mark.parametrize(
    "fields, height, pooled",
    [
        ("kernel_size: 3 stride: 2", 8, 4),
        ("kernel_size: 3 stride: 2 round_mode: FLOOR", 8, 3),
        ("kernel_size: 2 stride: 2 pad: 1", 4, 3),
        ("kernel_size: 2 stride: 3 pad: 1", 5, 2),
        ("kernel_size: 1 stride: 3", 5, 3),
        ("global_pooling: true", 7, 1),
        ("kernel_h: 2 kernel_w: 1 stride_h: 2 stride_w: 1", 6, 3),
    ],
)
def test_poolings_round_up_and_drop_windows_in_the_padding(fields, height, pooled):
    shape = _shape(_layer("Pooling", f"pooling_param {{ {fields} }}"), x=(2, 3, height, height))
    assert shape[:3] == (2, 3, pooled)


def test_inputs_and_what_the_text_does_not_tell():
    net = parse_text(
        'layer { name: "d" type: "Data" top: "x" top: "label" }'
        'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }'
        'layer { name: "p" type: "Python" bottom: "x" top: "p" }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "loss" }',
        pb.NetParameter,
    )
    assert infer_shapes(net, {"x": [2, 3]}) == {"x": (2, 3), "loss": ()}
    with pytest.raises(InputError, match='"p": its shape is not known'):
        infer_shapes(net, {"x": (2, 3)})["p"]
    with pytest.raises(InputError, match=r'layer "r" \(ReLU\): the shape of its bottom "x"'):
        infer_shapes(net)


def test_a_given_shape_replaces_that_of_an_input_layer():
    text = 'layer { type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }' + _layer(
        "ReLU"
    )
    assert _shape(text) == (1, 2)
    assert _shape(text, x=(5, 2)) == (5, 2)


def _convolution(fields):
    return _layer("Convolution", f"convolution_param {{ {fields} }}")


X, Z = (1, 4, 9, 9), (1, 4, 8, 9)


@pytest.mark.parametrize(
    "layer, words",
    [
        (_layer("Eltwise", bottoms="xz"), r'"x" \(1, 4, 9, 9\) and "z" \(1, 4, 8, 9\) differ'),
        (_layer("Concat", bottoms="xz"), r"\(1, 4, 8, 9\) differ on other axes than 1"),
        (_layer("Crop", "crop_param { offset: 2 }", "xz"), r"axis 2 ends before offset 2 \+ 8"),
        (_convolution("num_output: 1 kernel_size: 10"), "nothing is left"),
        (_convolution("num_output: 4 group: 3 kernel_size: 1"), "3 groups"),
        (_convolution("kernel_size: 3"), "num_output is missing"),
        (_convolution("num_output: 1"), "kernel_size is missing"),
        (_convolution("num_output: 1 kernel_size: [1, 2, 3]"), "3 values"),
        (_convolution("num_output: 1 kernel_size: 1 stride: 0"), "stride is 0"),
        (_layer("Pooling", "pooling_param { kernel_size: 2 pad: 2 }"), "not smaller than"),
        (
            _layer("Reshape", "reshape_param { shape { dim: 0 dim: 7 dim: -1 } }"),
            "numbers of values differ",
        ),
        (_layer("Tile", "tile_param { tiles: 1000000000 }"), "Caffe allows 32 axes and 2147483647"),
        (_layer("SPP", "spp_param { pyramid_height: 4000000000 }"), "does not fit its bottom"),
        (_layer("Slice", "slice_param { slice_point: 2 slice_point: 3 }"), "into 1 tops"),
        (_layer("InnerProduct", "inner_product_param { num_output: 1 axis: 4 }"), "no axis 4"),
    ],
)
def test_shapes_that_do_not_fit(layer, words):
    with pytest.raises(InputError, match=f'layer "l".*{words}'):
        _shape(layer, x=X, z=Z)


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        ('type: "Axpy"', '"it": "Axpy" is a layer of SENet.s Caffe. Write "Scale"'),
        ('type: "PriorBox"', '"it": "PriorBox" is a layer of the fork .*SSD.* remove the layer'),
        ('type: "concat"', 'layer "it": there is no layer type "concat". Did you mean "Concat"'),
        ('type: "Python" python_param { module: "a" layer: "B" }',
         r'"l" \(ReLU\): .*"z" is not known, as the Python layer "it" \(a.B\) makes it; specify'),
    ],
)  # fmt: skip
def test_a_bottom_without_a_shape_names_the_layer_that_makes_it(maker, words):
    text = f'layer {{ name: "it" bottom: "x" top: "z" {maker} }}' + _layer("ReLU", bottoms=("z",))
    with pytest.raises(InputError, match=words):
        _shape(text, x=(1, 2, 3, 4))
    assert _shape(text, x=(1, 2, 3, 4), z=(1, 2)) == (1, 2)
