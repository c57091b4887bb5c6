"""Max pooling's short cut for windows of 2 x 2 against torch's own pooling."""

import pytest
import torch
import torch.nn.functional as F

from torchcaffe.layers.pooling import max_pool

pytestmark = pytest.mark.both_modes


@pytest.mark.parametrize("size", [(6, 8), (7, 8), (6, 5)], ids=str)
def test_of_equal_values_the_first_gets_the_gradient(size):
    torch.manual_seed(1)
    x = torch.randint(0, 3, (2, 3, *size)).float().requires_grad_()
    expected, winners = F.max_pool2d(x, 2, 2, return_indices=True)
    (top,) = max_pool(x, (2, 2), (2, 2), (0, 0), expected.shape[2:])
    assert torch.equal(top, expected)

    gradient = torch.randn_like(expected)
    (received,) = torch.autograd.grad(top, x, gradient)
    wanted = torch.zeros(2, 3, size[0] * size[1])
    wanted.scatter_(2, winners.flatten(2), gradient.flatten(2))
    assert torch.equal(received, wanted.view(x.shape))
