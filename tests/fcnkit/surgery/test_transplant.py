"""Transplanting weights between networks, on messages and arrays."""

import numpy as np
import pytest

from caffeformat import InputError, Weights, parse_text, pb, read_caffemodel, write_caffemodel
from fcnkit.nets import bilinear_kernel
from fcnkit.surgery import check_fit, name_map, transplant

CLASSIFIER = """
name: "classifier"
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 2 dim: 4 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
        inner_product_param { num_output: 6 } }
layer { name: "out" type: "InnerProduct" bottom: "fc" top: "out"
        inner_product_param { num_output: 10 } }
"""
SEGMENTER = """
name: "segmenter"
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 2 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 3 kernel_size: 3 pad: 1 } }
layer { name: "fc" type: "Convolution" bottom: "conv" top: "fc"
        convolution_param { num_output: 6 kernel_h: 4 kernel_w: 5 } }
layer { name: "score" type: "Convolution" bottom: "fc" top: "score"
        convolution_param { num_output: 2 kernel_size: 1 bias_filler { value: 0.5 } } }
layer { name: "upscore" type: "Deconvolution" bottom: "score" top: "upscore" param { lr_mult: 0 }
        convolution_param { num_output: 2 kernel_size: 4 stride: 2 bias_term: false
                            %s } }
"""


def net(text, *values):
    return parse_text(text % values if values else text, pb.NetParameter)


SEGMENTER_NET = net(SEGMENTER, "")


def random_weights(**shapes):
    random = np.random.RandomState(1)
    return Weights(
        {
            name: [random.standard_normal(shape).astype(np.float32) for shape in blobs]
            for name, blobs in shapes.items()
        }
    )


@pytest.fixture
def source():
    return random_weights(conv=[(3, 2, 3, 3), (3,)], fc=[(6, 60), (6,)], out=[(10, 6), (10,)])


def lines(result):
    return [str(step) for step in result.steps]


def test_blobs_of_equal_shape_are_copied_and_fully_connected_ones_coerced(source):
    result = transplant(source, SEGMENTER_NET)
    np.testing.assert_array_equal(result.weights["conv"][0], source["conv"][0])
    np.testing.assert_array_equal(result.weights["fc"][0], source["fc"][0].reshape(6, 3, 4, 5))
    assert lines(result)[:4] == [
        "copying conv -> conv 0",
        "copying conv -> conv 1",
        "coercing fc 0 from (6, 60) to (6, 3, 4, 5)",
        "copying fc -> fc 1",
    ]


def test_a_convolution_becomes_fully_connected_again(source):
    convolutional = transplant(source, SEGMENTER_NET).weights
    back = transplant(convolutional, net(CLASSIFIER))
    np.testing.assert_array_equal(back.weights["fc"][0], source["fc"][0])
    assert "coercing fc 0 from (6, 3, 4, 5) to (6, 60)" in lines(back)


def test_moved_weights_are_views_of_the_source(source):
    result = transplant(source, SEGMENTER_NET)
    for name in ("conv", "fc"):
        assert np.shares_memory(result.weights[name][0], source[name][0])


def test_what_no_layer_takes_is_dropped_and_says_so(source):
    assert "dropping out 0: no layer takes it in segmenter" in lines(
        transplant(source, SEGMENTER_NET)
    )


def test_blobs_without_source_start_as_the_text_says(source):
    result = transplant(source, SEGMENTER_NET)
    weights, bias = result.weights["score"]
    assert weights.shape == (2, 6, 1, 1) and not weights.any()
    assert (bias == 0.5).all()
    assert "filling score 0 with zeros (no filler)" in lines(result)
    assert "filling score 1 with constant 0.5" in lines(result)
    assert [step.target for step in result.filled] == ["score", "score", "upscore"]


def test_a_bilinear_filler_is_filled_as_caffe_does(source):
    target = net(SEGMENTER, 'weight_filler { type: "bilinear" }')
    upscore = transplant(source, target).weights["upscore"][0]
    np.testing.assert_array_equal(upscore[0, 1], bilinear_kernel(4))


def test_fixed_upsampling_without_filler_interpolates_each_channel(source):
    upscore = transplant(source, SEGMENTER_NET).weights["upscore"][0]
    np.testing.assert_array_equal(upscore[1, 1], bilinear_kernel(4))
    assert not upscore[0, 1].any()


def test_upsampling_that_learns_starts_at_zero_as_in_caffe(source):
    target = net(SEGMENTER, "")
    del target.layer[-1].param[:]
    assert not transplant(source, target).weights["upscore"][0].any()


TWINS = """
layer { name: "%s" type: "Convolution" bottom: "data" top: "%s" param { name: "w" }
        convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize("names", [("conv", "twin"), ("twin", "conv")])
def test_a_layer_that_shares_a_parameter_keeps_what_was_moved_into_the_other(source, names):
    text = SEGMENTER.split('layer { name: "conv"')[0]
    text += "".join(TWINS % (name, name) for name in names)
    result = transplant(source, net(text))
    np.testing.assert_array_equal(result.weights["twin"][0], source["conv"][0])
    assert "sharing twin 0 with conv" in lines(result)
    assert [(step.target, step.index) for step in result.filled] == [("twin", 1)]


def test_layers_without_a_source_that_share_a_parameter_start_alike(source):
    text = SEGMENTER % "" + "".join(TWINS % (name, name) for name in ("one", "two"))
    weights = transplant(source, net(text)).weights
    assert weights["one"][0].any()
    np.testing.assert_array_equal(weights["one"][0], weights["two"][0])


def test_the_seed_decides_random_fillers(source):
    target = net(SEGMENTER, 'weight_filler { type: "xavier" }')
    first, again, other = (
        transplant(source, target, seed=seed).weights["upscore"][0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_another_number_of_values_is_dropped_with_both_shapes(source):
    source["conv"][0] = np.zeros((3, 1, 3, 3), np.float32)
    line = next(
        line for line in lines(transplant(source, SEGMENTER_NET)) if "dropping conv" in line
    )
    assert line == "dropping conv 0: 27 values (3, 1, 3, 3) do not fit 54 values (3, 2, 3, 3)"


def test_values_are_never_moved_to_other_outputs(source):
    source["fc"][0] = source["fc"][0].reshape(60, 6)
    result = transplant(source, SEGMENTER_NET)
    assert not result.weights["fc"][0].any()
    assert any("other numbers of outputs" in line for line in lines(result))


def test_a_bias_that_the_target_lacks_is_dropped(source):
    target = net(SEGMENTER, "")
    target.layer[1].convolution_param.bias_term = False
    assert "dropping conv 1: conv has 1 blob" in "\n".join(lines(transplant(source, target)))


def test_public_weights_with_the_number_of_classes_in_their_names_match(source):
    source["score_21classes"] = random_weights(x=[(2, 6, 1, 1), (2,)])["x"]
    result = transplant(source, SEGMENTER_NET)
    assert "copying score_21classes -> score 0" in lines(result)


def test_a_name_map_renames_and_may_use_a_source_twice(source):
    two = net(SEGMENTER, "")
    copy = two.layer.add()
    copy.CopyFrom(two.layer[1])
    copy.name = "conv_depth"
    copy.top[0] = "conv_depth"
    result = transplant(source, two, name_map(["conv=conv", "conv=conv_depth"]))
    np.testing.assert_array_equal(result.weights["conv_depth"][0], source["conv"][0])
    np.testing.assert_array_equal(result.weights["conv"][0], source["conv"][0])


def test_a_name_map_file_may_have_comments(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("# public names\nconv1_1 conv1_1color  # first\n\nfc8=score\n")
    assert name_map([str(path)]) == {"conv1_1color": "conv1_1", "score": "fc8"}


@pytest.mark.parametrize(
    "entries, message",
    [
        (["fc8"], "neither a file nor SOURCE=TARGET"),
        (["a=b=c"], "expected SOURCE=TARGET"),
        (["a=c", "b=c"], "layer c cannot come from both a and b"),
    ],
)
def test_a_bad_name_map_is_refused(entries, message):
    with pytest.raises(InputError, match=message):
        name_map(entries)


@pytest.mark.parametrize(
    "names, message",
    [
        ({"score": "fc9"}, "the weights have no layer fc9; they have conv, fc, out"),
        ({"scores": "out"}, "no layer scores with parameters; it has conv, fc, score, upscore"),
    ],
)
def test_names_of_the_map_have_to_exist(source, names, message):
    with pytest.raises(InputError, match=message):
        transplant(source, SEGMENTER_NET, names)


def test_no_common_name_is_an_error_that_lists_both_sides():
    with pytest.raises(InputError) as caught:
        transplant(random_weights(conv1=[(3, 2, 3, 3)], ip1=[(6, 60)]), SEGMENTER_NET)
    assert "the weights have: conv1, ip1" in str(caught.value)
    assert "the target has: conv, fc, score, upscore" in str(caught.value)


def test_nothing_that_fits_is_an_error_that_names_the_shapes():
    with pytest.raises(InputError, match=r"no blob of the weights fits[^$]*\(5, 2, 3, 3\)"):
        transplant(random_weights(conv=[(5, 2, 3, 3), (5,)]), SEGMENTER_NET)


def test_weights_of_another_network_are_recognized(source):
    check_fit(source, net(CLASSIFIER), "w.caffemodel", "classifier.prototxt")
    source["fc"][0] = source["fc"][0][:, :-1]
    del source["out"]
    with pytest.raises(InputError) as caught:
        check_fit(source, net(CLASSIFIER), "w.caffemodel", "classifier.prototxt")
    assert "w.caffemodel does not hold the weights of classifier.prototxt" in str(caught.value)
    assert "layer fc: expected (6, 60) (6,), found (6, 59) (6,)" in str(caught.value)
    assert "layer out: expected (10, 6) (10,), found nothing" in str(caught.value)


def test_the_result_survives_a_file(source, tmp_path):
    path = tmp_path / "segmenter.caffemodel"
    result = transplant(source, SEGMENTER_NET)
    write_caffemodel(path, result.weights, SEGMENTER_NET)
    back = read_caffemodel(path)
    assert list(back) == ["conv", "fc", "score", "upscore"]
    np.testing.assert_array_equal(back["fc"][0], result.weights["fc"][0])


CONVOLUTION = """
layer { name: "data" type: "Input" top: "data"
        input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_h: 1 kernel_w: 5 bias_term: false } }
"""
MATRIX = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 12 } } }
layer { name: "conv" type: "InnerProduct" bottom: "data" top: "conv"
        inner_product_param { num_output: 5 bias_term: false } }
"""


@pytest.mark.parametrize(
    ("text", "shape", "fits"),
    [
        (CONVOLUTION, (4, 3, 1, 5), True),
        (CONVOLUTION, (4, 15), True),  # an inner product's
        (CONVOLUTION, (4, 3, 5, 1), False),
        (CONVOLUTION, (3, 4, 1, 5), False),
        (CONVOLUTION, (60,), False),
        (CONVOLUTION.replace("4", "1").replace("dim: 3", "dim: 1"), (1, 1, 5, 1), False),
        (MATRIX, (1, 1, 5, 12), True),  # as old files have it
        (MATRIX, (5, 3, 2, 2), True),
        (MATRIX, (12, 5), False),
    ],
)
def test_weights_of_the_same_size_in_another_order_do_not_fit(text, shape, fits):
    """They would compute something else, with which an export even agrees."""
    weights = Weights({"conv": [np.zeros(shape, np.float32)]})
    if fits:
        check_fit(weights, net(text), "w", "n")
    else:
        with pytest.raises(InputError, match=r"layer conv: expected .*, found "):
            check_fit(weights, net(text), "w", "n")
