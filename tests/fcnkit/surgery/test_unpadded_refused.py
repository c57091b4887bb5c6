"""Classifiers whose scores depend on more than a window are refused with the reason."""

import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit.surgery import without_padding

WITH = """
layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 1 dim: 2 dim: 9 dim: 9 }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 }} }}
{}
layer {{ name: "fc" type: "InnerProduct" bottom: "x" top: "fc"
        inner_product_param {{ num_output: 3 }} }}
"""


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ('layer { name: "x" type: "MVN" bottom: "conv" top: "x" }', r'"x" \(MVN\).*whole map'),
        (
            'layer { name: "x" type: "LRN" bottom: "conv" top: "x"'
            "        lrn_param { norm_region: WITHIN_CHANNEL } }",
            r'"x" \(LRN\).*its border',
        ),
        (
            'layer { name: "x" type: "Deconvolution" bottom: "conv" top: "x"'
            "        convolution_param { num_output: 1 kernel_size: 2 stride: 2 } }",
            r'"x" \(Deconvolution, 1 bottoms\)',
        ),
        (
            'layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool"'
            "        pooling_param { global_pooling: true } }"
            'layer { name: "x" type: "Scale" bottom: "conv" bottom: "pool" top: "x" }',
            r'"x" \(Scale, 2 bottoms\)',
        ),
        (
            'layer { name: "x" type: "Concat" bottom: "conv" bottom: "conv" top: "x"'
            "        concat_param { axis: 2 } }",
            r'"x" \(Concat\): moves places',
        ),
        (
            'layer { name: "x" type: "Slice" bottom: "conv" top: "x" top: "rest"'
            "        slice_param { axis: 3 } }",
            r'"x" \(Slice\): moves places',
        ),
        (
            'layer { name: "other" type: "Input" top: "other" input_param { shape { dim: 1 } } }'
            'layer { name: "x" type: "ReLU" bottom: "conv" top: "x" }',
            "expected one Input layer",
        ),
        (
            # Read once as it is and once pooled, by an inner product each
            'layer { name: "x" type: "Convolution" bottom: "conv" top: "x"'
            "        convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 } }"
            'layer { name: "aux" type: "InnerProduct" bottom: "conv" top: "aux"'
            "        inner_product_param { num_output: 3 } }",
            'blob "x": has 5 x 5 places in the classifier',
        ),
    ],
)
def test_what_depends_on_more_than_a_window_is_an_error(layers, message):
    with pytest.raises(InputError, match=message):
        without_padding(parse_text(WITH.format(layers), pb.NetParameter))
