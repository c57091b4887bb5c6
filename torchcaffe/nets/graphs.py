"""What a Step keeps for its backward pass, and what passes ask of its layer."""

from __future__ import annotations

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


class LayerTraits:
    """What a pass has to know of a Step's `layer`."""

    __slots__ = ()
    layer: Layer

    @property
    def device(self) -> torch.device:
        """Where the layer computes."""
        return self.layer.device

    @property
    def is_split(self) -> bool:
        """Whether its tops are its bottom, under several names."""
        return self.layer.type == "Split"

    @property
    def inputs_are_free(self) -> bool:
        """Whether its gradient needs none of its bottoms' values."""
        return self.layer.inputs_are_free

    @property
    def adds_up(self) -> bool:
        """Whether its top is the sum of its two bottoms."""
        return self.layer.adds_up

    @property
    def has_own_output(self) -> bool:
        """Whether its output is memory of its own that its gradient does not need."""
        return self.layer.output_is_free

    @property
    def is_random(self) -> bool:
        """Whether a forward pass draws random numbers."""
        return self.layer.is_random

    @property
    def is_repeatable(self) -> bool:
        """Whether `forward_again` gives the same and changes nothing else."""
        return self.layer.is_repeatable
