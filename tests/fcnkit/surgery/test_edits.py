"""Growing, widening and renaming layers' weights."""

import numpy as np
import pytest

from caffeformat import InputError, Weights
from fcnkit.surgery import grow_outputs, rename, to_convolution, to_inner_product, widen_inputs

SCORE = [
    np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) + 1,
    np.array([10, 20], np.float32),
]


def test_new_classes_follow_the_old_and_start_at_zero():
    weights, bias = grow_outputs(SCORE, 4)
    np.testing.assert_array_equal(weights[:2], SCORE[0])
    assert weights.shape == (4, 3, 1, 1) and not weights[2:].any()
    assert bias.tolist() == [10, 20, 0, 0]


def test_old_classes_can_move():
    weights, bias = grow_outputs(SCORE, 3, places=[2, 0])
    assert bias.tolist() == [20, 0, 10]
    np.testing.assert_array_equal(weights[2], SCORE[0][0])


@pytest.mark.parametrize("outputs, places", [(1, None), (3, [0]), (3, [1, 1]), (3, [0, 3])])
def test_old_classes_without_a_place_are_an_error(outputs, places):
    with pytest.raises(InputError, match="place"):
        grow_outputs(SCORE, outputs, places)


def test_a_fourth_channel_gets_the_average_of_three():
    weights, bias = widen_inputs(SCORE, 4)
    np.testing.assert_array_equal(weights[:, :3], SCORE[0])
    assert weights[:, 3].ravel().tolist() == [2, 5]
    assert bias is SCORE[1]


def test_a_single_channel_gets_the_average_of_three():
    weights, _ = widen_inputs(SCORE, 1)
    assert weights.shape == (2, 1, 1, 1)
    assert weights.ravel().tolist() == [2, 5]


def test_as_many_channels_as_before_keep_their_weights():
    np.testing.assert_array_equal(widen_inputs(SCORE, 3)[0], SCORE[0])


def test_a_grown_layer_keeps_one_place_for_each_class():
    same, bias = grow_outputs(SCORE, 2)
    np.testing.assert_array_equal(same, SCORE[0])
    assert bias.tolist() == [10, 20]


@pytest.mark.parametrize("edit", [grow_outputs, widen_inputs])
def test_two_gibibytes_are_refused_before_memory_is_taken(edit):
    wide = [np.broadcast_to(np.float32(1), (4, 4, 64, 64))]
    with pytest.raises(InputError, match="2 GiB or more"):
        edit(wide, 1 << 15)  # x 4 x 64 x 64 values of 4 bytes: 2 GiB exactly
    assert edit(wide, 8)[0].size == 8 * 4 * 64 * 64


def test_an_inner_product_becomes_the_convolution_that_computes_the_same():
    random = np.random.RandomState(0)
    weights, bias = random.randn(5, 24).astype(np.float32), random.randn(5).astype(np.float32)
    blob = random.randn(4, 2, 3).astype(np.float32)  # C x H x W
    kernels, same_bias = to_convolution([weights, bias], (2, 3))
    assert kernels.shape == (5, 4, 2, 3) and same_bias is bias
    one_window = (kernels * blob).sum((1, 2, 3))
    np.testing.assert_allclose(one_window, weights @ blob.ravel(), rtol=1e-5)
    back, bias_back = to_inner_product([kernels, bias])
    np.testing.assert_array_equal(back, weights)
    assert bias_back is bias


@pytest.mark.parametrize("shape", [(5, 23), (5, 6, 1, 1), (30,)])
def test_weights_that_are_not_an_inner_products_over_the_map_are_refused(shape):
    with pytest.raises(InputError, match=r"over a map of 2 x 3: .* a multiple of 6"):
        to_convolution([np.zeros(shape, np.float32)], (2, 3))


@pytest.mark.parametrize("shape", [(5, 24), (5, 4, 6), (5,)])
def test_weights_that_are_not_a_convolutions_are_refused(shape):
    with pytest.raises(InputError, match="not a convolution's: expected outputs x C x H x W"):
        to_inner_product([np.zeros(shape, np.float32)])


def test_layers_are_renamed_in_place():
    weights = Weights(
        {"conv1": SCORE, "conv2": SCORE}, "net", {"conv1": "Convolution", "conv2": "Convolution"}
    )
    renamed = rename(weights, {"conv1": "conv1_rgb"})
    assert list(renamed) == ["conv1_rgb", "conv2"]
    assert renamed.types == {"conv1_rgb": "Convolution", "conv2": "Convolution"}
    assert list(weights) == ["conv1", "conv2"]


@pytest.mark.parametrize(
    "names, message",
    [
        ({"conv3": "x"}, "no layer conv3.*they have conv1, conv2"),
        ({"conv1": "conv2"}, "two layers"),
    ],
)
def test_renaming_a_missing_layer_or_to_one_name_twice_is_an_error(names, message):
    with pytest.raises(InputError, match=message):
        rename(Weights({"conv1": SCORE, "conv2": SCORE}), names)
