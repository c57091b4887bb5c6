"""FCNs of random classifiers whose branches meet again put what they see where it was."""

import numpy as np
import pytest
from alignment_measures import check_alignment, random_choice_of_stride
from branched_classifiers import branched_classifier


def check(caffe, seed):
    """Measure one FCN; returns how many of its crops stand before joins of branches."""
    random = np.random.RandomState(seed)
    fcn = random_choice_of_stride(random, branched_classifier(random))
    check_alignment(caffe, fcn)
    return sum(layer.name.endswith("_crop") for layer in fcn.net.layer)


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize("seed", range(15))
def test_a_ramp_and_an_impulse_stay_in_place(seed):
    check(pytest.importorskip("torchcaffe"), seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(15, 135, 20))
def test_a_ramp_and_an_impulse_stay_in_place_for_many_more(first):
    caffe = pytest.importorskip("torchcaffe")
    # Some of them have branches that would not fit.
    assert sum(check(caffe, seed) for seed in range(first, first + 20)) > 0
