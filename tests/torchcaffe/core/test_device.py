import pytest
import torch

import torchcaffe


@pytest.mark.parametrize("seed", [0, 1701, -1, 2**32 - 1, 2**63])
def test_a_seed_is_pytorchs(seed):
    torch.manual_seed(seed)
    drawn = torch.rand(4)
    torchcaffe.set_random_seed(seed)
    assert torch.equal(torch.rand(4), drawn)
