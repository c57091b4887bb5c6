"""What random fillers draw: shares and spreads as in Caffe, or an error that names the layer."""

import pytest

pytest.importorskip("torch")

import torch

from caffeformat import InputError, parse_text, pb
from torchcaffe.core import fill, set_random_seed


def filled(text, *shape):
    set_random_seed(1)
    tensor = torch.empty(shape)
    fill(tensor, parse_text(text, pb.FillerParameter), 'layer "it"')
    return tensor


@pytest.mark.parametrize(("sparse", "share"), [(0, 0), (20, 0.1), (150, 0.75), (500, 1)])
def test_a_sparse_gaussian_keeps_so_many_values_per_output(sparse, share):
    values = filled(f'type: "gaussian" std: 2 sparse: {sparse}', 200, 500)
    kept = values[values != 0]
    assert len(kept) / values.numel() == pytest.approx(share, abs=0.01)
    if share:
        assert float(kept.std()) == pytest.approx(2, rel=0.05)


def test_a_sparse_below_0_is_refused():
    with pytest.raises(InputError, match=r'layer "it".*sparse of 0 or more, found -3'):
        filled('type: "gaussian" sparse: -3', 2, 2)


# Standard deviations that BVLC Caffe's weights of 90 x 3 x 7 x 7 had
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type: "xavier"', (1 / 147) ** 0.5),
        ('type: "xavier" variance_norm: FAN_OUT', (1 / 4410) ** 0.5),
        ('type: "xavier" variance_norm: AVERAGE', (2 / (147 + 4410)) ** 0.5),
        ('type: "msra"', (2 / 147) ** 0.5),
        ('type: "msra" variance_norm: FAN_OUT', (2 / 4410) ** 0.5),
        ('type: "uniform" min: -2 max: 1', 3 / 12**0.5),
    ],
)
def test_spreads_follow_the_sizes(text, expected):
    assert float(filled(text, 90, 3, 7, 7).std()) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    "text",
    [
        'type: "gaussian" sparse: 2',
        'type: "positive_unitball"',
        'type: "xavier"',
        'type: "msra" variance_norm: AVERAGE',
        'type: "bilinear"',
    ],
)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_parameters_of_one_axis_or_none_are_filled_or_refused(text, shape):
    try:
        assert filled(text, *shape).isfinite().all()
    except InputError as error:
        assert 'layer "it"' in str(error)
