"""One layer of a fork by itself, in double precision, and its gradients checked numerically."""

import numpy as np
import torch

from caffeformat import parse_text, pb
from torchcaffe.layers import create


def run_layer(text, bottoms, params=(), phase=pb.TEST):
    """(tops as arrays, layer) of the layer that `text` describes, for arrays in double precision.

    Gradients of all tops with regard to the first bottom and the learned parameters are compared
    with numerical ones on the way.
    """
    proto = parse_text(text, pb.LayerParameter)
    layer = create(proto, phase)
    declared = layer.setup([bottom.shape for bottom in bottoms])
    layer.fit([bottom.shape for bottom in bottoms])
    assert [param.shape for param in declared] == [np.shape(param) for param in params]
    tensors = [torch.from_numpy(bottom) for bottom in bottoms]
    values = [torch.tensor(param, dtype=torch.float64) for param in params]
    tops = layer.forward(tensors, [value.clone() for value in values])
    leaves = [tensors[0].clone().requires_grad_()]
    leaves += [v.clone().requires_grad_(p.learned) for v, p in zip(values, declared)]

    def compute(first, *parameters):
        # Statistics change with every forward pass; each gets copies of its own.
        copies = [p if p.requires_grad else p.clone() for p in parameters]
        return tuple(layer.forward([first, *tensors[1:]], copies))

    assert torch.autograd.gradcheck(compute, leaves, eps=1e-6, atol=1e-6)
    return [top.numpy() for top in tops], layer
