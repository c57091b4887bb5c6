"""What a Step keeps for its backward pass, and what passes ask of its layer."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Protocol

import torch
from torch.autograd.graph import get_gradient_edge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchcaffe.layers import Gradient, Layer

    # Returns the diff of a top, by its index
    TopDiff = Callable[[int], torch.Tensor]


class Graph(Protocol):
    """What the gradients of one forward pass are computed from."""

    def gradients(self, top_diff: TopDiff) -> Sequence[torch.Tensor | None]:
        """Return the gradient, or None, of each tensor that needs one, from the tops' diffs."""


class AutogradGraph:
    """PyTorch's graph that leads from `tops` to the leaves `wanted`, without the tops' memory."""

    def __init__(self, wanted: list[torch.Tensor], tops: Sequence[torch.Tensor]) -> None:
        self._wanted = wanted
        self._edges = [
            (get_gradient_edge(top), top.dtype) if top.requires_grad else None for top in tops
        ]

    def forget_values(self) -> None:
        """Let go of the leaves' memory, for a layer whose gradient does not need it."""
        for leaf in self._wanted:
            leaf.data = leaf.new_empty(0)

    def gradients(self, top_diff: TopDiff) -> Sequence[torch.Tensor | None]:
        """Return the gradient, or None, of each wanted tensor, from the diffs of the tops."""
        reached = [
            (edge[0], top_diff(index).to(edge[1]))
            for index, edge in enumerate(self._edges)
            if edge is not None
        ]
        if not reached or not self._wanted:
            return [None] * len(self._wanted)
        outputs, diffs = zip(*reached)
        gradients: Sequence[torch.Tensor | None] = torch.autograd.grad(
            outputs, self._wanted, diffs, retain_graph=True, allow_unused=True
        )
        # A gradient that is a top's diff itself is copied: parameters' diffs are changed in place.
        begins = {diff.data_ptr() for diff in diffs}
        return [
            gradient.clone() if gradient is not None and gradient.data_ptr() in begins else gradient
            for gradient in gradients
        ]


class OwnGraph:
    """The gradient of a layer that computes it itself, for its only top, of type `dtype`.

    Autograd would hand each layer's work to a thread of its own and wait for it: on a GPU that
    takes longer than the work of a small layer.
    """

    def __init__(self, gradient: Gradient, dtype: torch.dtype) -> None:
        self._gradient, self._dtype = gradient, dtype

    def gradients(self, top_diff: TopDiff) -> Sequence[torch.Tensor | None]:
        """Return the gradient of each tensor that needs one, from the diff of the top."""
        return self._gradient(top_diff(0).to(self._dtype))


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
