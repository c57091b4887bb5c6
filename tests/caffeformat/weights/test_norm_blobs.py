"""Blobs of NVIDIA's BatchNorm come in the orders of its releases; all are read as the newest."""

import numpy as np
import pytest

from caffeformat import InputError, parse_text, pb
from caffeformat.weights import arranged_blobs

LAYER = parse_text(
    'name: "bn" type: "BatchNorm" batch_norm_param { scale_bias: true }', pb.LayerParameter
)
MEAN, VARIANCE = np.float32([1, -2, 3]), np.float32([0.5, 2, 1])
SCALE, BIAS = np.float32([1, 2, -3]), np.float32([-0.5, 0, 4])
ONE = np.ones(1, np.float32)
WANTED = [MEAN, VARIANCE, ONE, SCALE, BIAS]


def _four_axes(arrays):
    return [array.reshape(1, -1, 1, 1) for array in arrays]


@pytest.mark.parametrize(
    "arrays",
    [
        WANTED,
        [SCALE, BIAS, MEAN, VARIANCE, ONE],  # 0.15
        _four_axes([SCALE, BIAS, MEAN, VARIANCE, ONE]),  # 0.15 with cuDNN
        _four_axes([SCALE, BIAS, ONE, MEAN, VARIANCE]),  # 0.14 with cuDNN
        _four_axes(WANTED),  # 0.15's, written again by 0.16
        [MEAN, VARIANCE, SCALE, BIAS],
        [SCALE, BIAS, MEAN, VARIANCE],
    ],
)
def test_every_order_is_read(arrays):
    found = arranged_blobs(LAYER, arrays)
    assert [blob.shape for blob in found] == [(3,), (3,), (1,), (3,), (3,)]
    for blob, wanted in zip(found, WANTED):
        np.testing.assert_array_equal(blob, wanted)


def test_two_possible_orders_are_refused():
    arrays = [np.abs(array) for array in (MEAN, VARIANCE, SCALE, BIAS)]
    with pytest.raises(InputError, match=r'"bn".* 4 blobs may be mean, variance, .*both'):
        arranged_blobs(LAYER, arrays)
    with pytest.raises(InputError, match="neither"):
        arranged_blobs(LAYER, [-array for array in arrays])


def test_one_channel_is_in_the_newest_order():
    arrays = [np.float32([value]) for value in (1, 2, 3, 4, 5)]
    assert [float(blob[0]) for blob in arranged_blobs(LAYER, arrays)] == [1, 2, 3, 4, 5]


def test_other_layers_and_numbers_of_blobs_stay():
    arrays = [SCALE, BIAS, MEAN]
    assert [*map(id, arranged_blobs(LAYER, arrays))] == [*map(id, arrays)]
    plain = parse_text('name: "bn" type: "BatchNorm"', pb.LayerParameter)
    arrays = [SCALE, BIAS, MEAN, VARIANCE, ONE]
    assert [*map(id, arranged_blobs(plain, arrays))] == [*map(id, arrays)]
    assert arranged_blobs(LAYER, [None] * 5) == [None] * 5
