"""The sizes at which an exported model is compared with the engine."""

import numpy as np
import pytest

from caffeformat import parse_text, pb
from fcnkit import export
from fcnkit.export import check
from fcnkit.images import Preprocessor
from fcnkit.runtimes import OnnxSession

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [%s] } } }'
HALF = (
    'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param '
    "{ kernel_size: 2 stride: 2 } }"
)
MULTIPLES = HALF + (
    'layer { name: "score" type: "Deconvolution" bottom: "p" top: "score" convolution_param '
    "{ num_output: 2 kernel_size: 2 stride: 2 } }"
)
INNER = (
    'layer { name: "score" type: "InnerProduct" bottom: "data" top: "score" '
    "inner_product_param { num_output: 4 } }"
)
FIXED = INNER.replace("num_output: 4", "num_output: 96").replace('top: "score"', 'top: "x"') + (
    'layer { name: "r" type: "Reshape" bottom: "x" top: "score" '
    "reshape_param { shape { dim: [1, 2, 6, 8] } } }"
)

ROWS = 'layer { name: "score" type: "Scale" bottom: "data" top: "score" scale_param { axis: %d } }'
PARTS = (
    'layer { name: "parts" type: "Slice" bottom: "data" top: "a" top: "b" top: "c" '
    "slice_param { axis: 2 slice_point: 1 slice_point: 4 } }"
)


@pytest.mark.parametrize(
    ("body", "own", "sizes", "expected"),
    [
        (MULTIPLES, "1, 3, 6, 8", [(8, 8), (9, 11), (9, 12)], [(8, 8), (10, 12)]),
        (FIXED, "1, 3, 6, 8", [(9, 11), (4, 4)], [(6, 8)]),
        (INNER, "1, 3, 6, 8", [(9, 11), (4, 4)], [(6, 8)]),
        (ROWS % 2, "1, 3, 6, 8", [(9, 11), (4, 4)], [(6, 8)]),
        (ROWS % 1, "1, 3, 6, 8", [(9, 11), (4, 4)], [(9, 11), (4, 4)]),
        (HALF, "1, 3, 6, 8", [(9, 11), (4, 4)], [(9, 11), (4, 4)]),
        (INNER, "1, 24", [(9, 11)], [()]),
    ],
)
def test_a_size_that_the_net_does_not_take_gives_way_to_the_next(body, own, sizes, expected):
    net = parse_text(INPUT % own + body, pb.NetParameter)
    found = check._input_shapes(net, ["data"], sizes)
    assert [shapes["data"][2:] for shapes in found] == expected


# As many values for the matrix from images of 5 x 7 as from 6 x 8, but not from all larger ones.
SOME_SIZES = HALF.replace("2", "4") + INNER.replace('"data"', '"p"')


@pytest.mark.parametrize("size", [None, (5, 7)])
@pytest.mark.parametrize("as_image", [False, True])
def test_a_model_of_one_size_is_compared_at_it(tmp_path, size, as_image):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    net = parse_text(INPUT % "1, 3, 6, 8" + SOME_SIZES, pb.NetParameter)
    weights = {"score": [np.random.RandomState(0).rand(4, 12).astype("f"), np.zeros(4, "f")]}
    preprocessor = Preprocessor(None, 1.0) if as_image else None
    path = tmp_path / "net.onnx"
    export.write_parameters(path, net, weights, size=size, preprocessor=preprocessor)
    fixed = size or (6, 8)
    assert OnnxSession(path).sides == fixed
    (found,) = export.differences(net, weights, path, preprocessor=preprocessor, sizes=[(5, 7)])
    assert found.shape == ((*fixed, 3) if as_image else (1, 3, *fixed))
    assert found.largest < 1e-4 * found.largest_score


def test_inputs_that_are_no_images_keep_their_size():
    more = (INPUT % "1, 1, 1, 2").replace('"data"', '"size"')
    net = parse_text(INPUT % "1, 3, 6, 8" + more + HALF, pb.NetParameter)
    (found,) = check._input_shapes(net, ["data", "size"], [(9, 11)])
    assert found == {"data": (1, 3, 9, 11), "size": (1, 1, 1, 2)}


def test_images_of_any_size_are_cut_along_their_height(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("torch")
    net = parse_text(INPUT % "1, 3, 6, 8" + PARTS, pb.NetParameter)
    path = tmp_path / "net.onnx"
    export.write_parameters(path, net, {})
    found = list(export.differences(net, {}, path, sizes=[(9, 11)]))
    assert [(one.output, one.shape, one.largest) for one in found] == [
        (output, (1, 3, 9, 11), 0) for output in "abc"
    ]
