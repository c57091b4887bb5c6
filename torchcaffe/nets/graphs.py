"""What a Step keeps for its backward pass, and what passes ask of its layer."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torchcaffe.layers import Layer

# The leaves whose gradient is needed, and the edge of each top, or None where no gradient passes
Graph = tuple[list[torch.Tensor], list["tuple[GradientEdge, torch.dtype] | None"]]


def graph_of(wanted: list[torch.Tensor], tops: Sequence[torch.Tensor]) -> Graph:
    """Return the graph that leads from `tops` to the leaves `wanted`, without the tops' memory."""
    return wanted, [
        (get_gradient_edge(top), top.dtype) if top.requires_grad else None for top in tops
    ]


def _of_layer(name: str, words: str) -> property:
    return property(operator.attrgetter(f"layer.{name}"), doc=words)


class LayerTraits:
    """What a pass has to know of a Step's `layer`."""

    __slots__ = ()
    layer: Layer

    device = _of_layer("device", "Where the layer computes.")
    inputs_are_free = _of_layer(
        "inputs_are_free", "Whether its gradient needs none of its bottoms' values."
    )
    adds_up = _of_layer("adds_up", "Whether its top is the sum of its two bottoms.")
    has_own_output = _of_layer(
        "output_is_free", "Whether its output is memory of its own that its gradient does not need."
    )
    is_random = _of_layer("is_random", "Whether a forward pass draws random numbers.")
    is_repeatable = _of_layer(
        "is_repeatable", "Whether `forward_again` gives the same and changes nothing else."
    )

    @property
    def is_split(self) -> bool:
        """Whether its tops are its bottom, under several names."""
        return self.layer.type == "Split"
