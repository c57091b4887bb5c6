"""An update is the same whether parameters are updated in pieces or many at a time."""

import numpy as np
import pytest
import torch

from caffeformat import pb
from torchcaffe.solvers import optimizer
from torchcaffe.solvers.update_rules import RULES

SIZES = (7, 100, 3, 64, 1)


def members(slots):
    random = np.random.RandomState(2)
    return [
        [torch.from_numpy(random.rand(size).astype(np.float32)) for _ in range(2 + slots)]
        for size in SIZES
    ]


@pytest.mark.parametrize("kind", list(RULES))
def test_pieces_and_portions_give_the_same_update(kind, monkeypatch):
    monkeypatch.setattr(optimizer, "_PIECE", 10)
    monkeypatch.setattr(optimizer, "_PORTION", 110)
    momentum = 0.9 if RULES[kind].takes_momentum else 0
    rule = RULES[kind](pb.SolverParameter(type=kind, momentum=momentum))
    made = optimizer.Optimizer(pb.SolverParameter(), rule, [])
    updated = []
    for divided in (optimizer._pieces, optimizer._portions):
        arrays = members(rule.slots)
        parts = list(divided(arrays))
        for part in parts:
            made._apply(part, 0.5, 0.01, 0.1, 3)
        updated.append(arrays)
        assert sum(len(diff) for part in parts for diff, *_ in part) == sum(SIZES)
    assert [len(part) for part in optimizer._portions(members(rule.slots))] == [3, 2]
    for one, other in zip(*updated):
        for a, b in zip(one, other):
            np.testing.assert_allclose(a, b, rtol=1e-6)
