import numpy as np
import pytest

from fcnkit.inference.winners import is_finite, winners


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, -1])
def test_one_value_that_is_no_number_is_found(value, place):
    scores = np.random.RandomState(0).standard_normal((3, 4, 5)).astype(np.float32)
    assert is_finite(scores)
    scores.reshape(-1)[place] = value
    assert not is_finite(scores)
    assert not is_finite(scores[:, ::-1])


def test_the_largest_numbers_are_finite():
    most = np.finfo(np.float32).max
    assert is_finite(np.array([[[most, -most, most]]], np.float32))
    assert is_finite(np.empty((0, 2, 2), np.float32))


@pytest.mark.parametrize("shape", [(1, 3, 4), (5, 70, 33), (21, 1, 1), (4, 3, 40_000), (256, 2, 3)])
def test_the_first_of_the_highest_scores_wins(shape):
    scores = np.random.RandomState(0).randint(-3, 3, shape).astype(np.float32)  # with many ties
    assert np.array_equal(winners(scores), scores.argmax(0))
    assert np.array_equal(winners(scores[:, ::-1]), scores[:, ::-1].argmax(0))
