"""The measure that compare_engines prints."""

import numpy as np
import pytest
from compare_engines import largest_difference

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "ours, theirs, expected",
    [
        ([1.0, 2.0], [1.0, 2.0], 0),
        ([1.0, 2.0 + 2e-4], [1.0, 2.0], 0.95e-4),
        ([100.0, 2e-4], [100.0, 0.0], 1.9e-4),  # measured against 1% of 100
        ([5e-6], [0.0], 0),
        ([1.0, NAN, INF], [1.0, NAN, INF], 0),
        ([1.0, NAN], [1.0, 2.0], INF),
        ([1.0, 2.0], [1.0, NAN], INF),
        ([INF], [1.0], INF),
        ([1.0, INF], [2.0, INF], 0.499995),  # an infinite element does not hide the others
        ([1.0], [1.0, 1.0], INF),
        ([], [], 0),
    ],
)
def test_difference_is_relative_to_the_element_or_a_part_of_the_largest(ours, theirs, expected):
    found = largest_difference(np.array(ours), np.array(theirs))
    assert found == pytest.approx(expected, rel=1e-6)
