"""The sizes at which an exported model is compared with the engine."""

import pytest

from caffeformat import parse_text, pb
from fcnkit.export import check

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


@pytest.mark.parametrize(
    ("body", "own", "sizes", "expected"),
    [
        (MULTIPLES, "1, 3, 6, 8", [(8, 8), (9, 11), (9, 12)], [(8, 8), (10, 12)]),
        (FIXED, "1, 3, 6, 8", [(9, 11), (4, 4)], [(6, 8)]),
        (INNER, "1, 3, 6, 8", [(9, 11), (4, 4)], [(6, 8)]),
        (HALF, "1, 3, 6, 8", [(9, 11), (4, 4)], [(9, 11), (4, 4)]),
        (INNER, "1, 24", [(9, 11)], [()]),
    ],
)
def test_a_size_that_the_net_does_not_take_gives_way_to_the_next(body, own, sizes, expected):
    net = parse_text(INPUT % own + body, pb.NetParameter)
    found = check._input_shapes(net, ["data"], sizes)
    assert [shapes["data"][2:] for shapes in found] == expected
