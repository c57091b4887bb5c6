"""Growing, widening and renaming layers' weights."""

import numpy as np
import pytest

from caffeformat import InputError, Weights
from fcnkit.weight_edits import grow_outputs, rename, widen_inputs

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
def test_renaming_what_is_not_there_or_twice_is_an_error(names, message):
    with pytest.raises(InputError, match=message):
        rename(Weights({"conv1": SCORE, "conv2": SCORE}), names)
