"""Fillers in NumPy: the bilinear kernel and the distributions Caffe promises."""

import numpy as np
import pytest

from caffeformat import InputError, pb
from fcnkit.nets import bilinear_kernel, fill, interpolation_weights


def filled(shape, **fields):
    return fill(pb.FillerParameter(**fields), shape, np.random.RandomState(0))


def test_bilinear_kernel_of_four_has_its_known_weights():
    row = np.array([0.25, 0.75, 0.75, 0.25])
    np.testing.assert_allclose(bilinear_kernel(4), np.outer(row, row), rtol=1e-6)


def test_bilinear_kernel_of_63_peaks_at_its_centre():
    kernel = bilinear_kernel(63)
    assert kernel[31, 31] == 1
    np.testing.assert_array_equal(kernel, kernel[::-1, ::-1])


@pytest.mark.parametrize("size, stride", [(4, 2), (16, 8), (63, 32), (64, 32)])
def test_kernels_overlap_to_one_wherever_a_constant_is_upsampled(size, stride):
    kernel = bilinear_kernel(size)
    line = kernel.sum(0) / np.sqrt(kernel.sum())
    total = np.zeros(size + 6 * stride)
    for start in range(0, 7 * stride, stride):
        total[start : start + size] += line
    np.testing.assert_allclose(total[2 * stride : 4 * stride], 1, rtol=1e-5)


def test_interpolation_weights_are_diagonal_where_not_grouped():
    weights = interpolation_weights((3, 3, 4, 4))
    np.testing.assert_array_equal(weights[1, 1], bilinear_kernel(4))
    assert weights[0, 1].max() == 0
    np.testing.assert_array_equal(interpolation_weights((3, 1, 4, 4))[2, 0], bilinear_kernel(4))


@pytest.mark.parametrize("shape", [(3, 3, 4, 5), (3, 2, 4, 4)])
def test_weights_that_cannot_interpolate_are_refused(shape):
    with pytest.raises(InputError, match="cannot interpolate"):
        interpolation_weights(shape)


def test_bilinear_filler_writes_every_filter():
    weights = filled((2, 3, 4, 4), type="bilinear")
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, np.broadcast_to(bilinear_kernel(4), (2, 3, 4, 4)))


def test_constant_is_zero_by_default():
    assert not filled((5,)).any()
    assert (filled((5,), value=0.25) == 0.25).all()


@pytest.mark.parametrize(
    "norm, fan", [("FAN_IN", 40 * 9), ("FAN_OUT", 60 * 9), ("AVERAGE", 50 * 9)]
)
def test_xavier_and_msra_scale_with_the_fan(norm, fan):
    norm = getattr(pb.FillerParameter, norm)
    xavier = filled((60, 40, 3, 3), type="xavier", variance_norm=norm)
    msra = filled((60, 40, 3, 3), type="msra", variance_norm=norm)
    assert np.abs(xavier).max() == pytest.approx(np.sqrt(3 / fan), rel=0.01)
    assert msra.std() == pytest.approx(np.sqrt(2 / fan), rel=0.03)


def test_gaussian_keeps_sparse_inputs_of_each_output():
    weights = filled((50, 1000), type="gaussian", std=0.5, mean=0, sparse=5)
    assert (weights != 0).mean() == pytest.approx(5 / 50, rel=0.1)
    assert weights[weights != 0].std() == pytest.approx(0.5, rel=0.05)


def test_positive_unitball_rows_sum_to_one():
    weights = filled((4, 3, 2, 2), type="positive_unitball")
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.reshape(4, -1).sum(1), 1, rtol=1e-5)


def test_uniform_stays_in_its_bounds():
    weights = filled((10000,), type="uniform", min=-2, max=3)
    assert -2 <= weights.min() < -1.99
    assert 2.99 < weights.max() <= 3


def test_an_unknown_filler_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"bilinaer.*bilinear"):
        filled((2, 2), type="bilinaer")
