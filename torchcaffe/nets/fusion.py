"""A BatchNorm and the Scale that works in place on its top, computed as one.

Nobody can see what is between them: the Scale overwrites it. So whenever a pass runs through both,
one operation does the work of two, and only a pass that begins or ends between them takes them
apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torchcaffe.layers import BatchNormLayer, ScaleLayer

from .graphs import AutogradGraph, OwnGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import torch

    from torchcaffe.core import Blob

    from .graphs import Graph
    from .step import Step


class FusedNormalization:
    """Runs in a pass instead of the two Steps of a BatchNorm and the Scale behind it."""

    is_random = is_split = overwrites = inputs_are_free = adds_up = False
    is_repeatable = has_own_output = True

    def __init__(
        self, norm: Step, batch_norm: BatchNormLayer, scale: Step, factor: ScaleLayer
    ) -> None:
        """Join Step `norm`, of layer `batch_norm`, with Step `scale`, of layer `factor`."""
        self.norm, self.scale = norm, scale
        self._batch_norm, self._factor = batch_norm, factor
        norm.fused = scale.fused = self
        self.bottom_names, self.top_names = norm.bottom_names, scale.top_names
        # (the bottom, what gradients are computed from) of the last forward pass
        self.graph: tuple[torch.Tensor, Graph] | None = None

    @property
    def needs_backward(self) -> bool:
        """Whether either layer needs a backward pass."""
        return self.norm.needs_backward or self.scale.needs_backward

    @property
    def device(self) -> torch.device:
        """Where both layers compute."""
        return self.norm.layer.device

    @property
    def loss_weights(self) -> list[float]:
        """The second layer's loss weight."""
        return self.scale.loss_weights

    @property
    def bottoms(self) -> Sequence[Blob]:
        """The first layer's bottom."""
        return self.norm.bottoms

    @property
    def tops(self) -> Sequence[Blob]:
        """The second layer's top."""
        return self.scale.tops

    def drop_graph(self) -> None:
        """Let go of what the last forward pass kept for a backward pass."""
        self.norm.graph = self.scale.graph = self.graph = None

    def top_again(self) -> Callable[[], torch.Tensor] | None:
        """Return what computes the last forward pass's top again, or None without a graph.

        It knows the factors of that pass, and so is right even after they have learned.
        """
        if self.graph is None:
            return None
        x, statistics = self.graph[0].data, self.norm.param_tensors()
        factors = [factor.clone() for factor in self.scale.param_tensors()]

        def compute() -> torch.Tensor:
            return self._batch_norm.scaled(x, statistics, *factors, remember=False)

        return compute

    def _fit(self, x: torch.Tensor) -> None:
        shapes = [tuple(x.shape)]
        if shapes != self.norm.shapes or shapes != self.scale.shapes:
            self.norm.fit(shapes)
            self.scale.fit(shapes)

    def compute(self, bottoms: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the tops for these tensors, without a graph and without using the blobs."""
        (x,) = bottoms
        self._fit(x)
        return [self._batch_norm.scaled(x, self.norm.param_tensors(), *self.scale.param_tensors())]

    def forward(self) -> None:
        """Both layers' forward."""
        norm, scale = self.norm, self.scale
        self.drop_graph()
        x = norm.bottoms[0].tensor()
        self._fit(x)
        if self.needs_backward:
            top = self._forward_with_graph()
        else:
            top = self._batch_norm.scaled(x, norm.param_tensors(), *scale.param_tensors())
        scale.tops[0].set_data(top)

    def _forward_with_graph(self) -> torch.Tensor:
        norm, scale = self.norm, self.scale
        x, statistics, factors = norm.bottom_value(0), norm.param_tensors(), scale.param_tensors()
        needs = [*norm.bottom_needs, *scale.param_needs]
        graph: Graph
        scale_values, bias = [*factors, None][:2]
        made = self._batch_norm.scaled_with_gradient(x, statistics, scale_values, bias, needs)
        if made is not None:
            top, gradient = made
            graph = OwnGraph(gradient, top.dtype)
        else:
            wanted = [x.requires_grad_()] if norm.bottom_needs[0] else []
            top = self._batch_norm.scaled(x, statistics, *scale.param_leaves(wanted))
            graph = AutogradGraph(wanted, [top])
        self.graph = x, graph
        return top.data

    def repeating(self) -> AbstractContextManager[None]:
        """Let `forward`, run meanwhile for the last batch, leave running statistics alone."""
        return self._batch_norm.repeating()

    def backward(self, lean: bool = False) -> None:
        """Both layers' backward; `lean` as for a Step."""
        norm, scale = self.norm, self.scale
        if self.graph is None:
            for step in (scale, norm):
                if step.needs_backward:
                    step.backward()
            return
        gradients = iter(self.graph[1].gradients(scale.top_diff))
        # Only now: an array that somebody holds is overwritten at once.
        if not norm.in_place[0] and not lean:
            diff = scale.top_diff(0)
            factor = self._factor.aligned(scale.params[0].tensor(), diff).clone()
            scale.tops[0].set_diff_later(lambda: diff * factor)
        norm.set_bottom_diffs(gradients)
        scale.add_param_diffs(gradients)

    def take_apart(self) -> None:
        """Give each layer the graph that it would have if they had run one after the other."""
        norm, scale = self.norm, self.scale
        assert self.graph is not None
        x = self.graph[0].data.requires_grad_(norm.bottom_needs[0])
        self.graph = None
        middle = self._batch_norm.scaled(x, norm.param_tensors(), remember=False)
        norm.graph = AutogradGraph([x] if norm.bottom_needs[0] else [], [middle])
        leaf = middle.data.requires_grad_(scale.bottom_needs[0])
        wanted = [leaf] if scale.bottom_needs[0] else []
        factors = scale.param_leaves(wanted)
        scale.graph = AutogradGraph(wanted, scale.layer.compute([leaf], factors))


def fuse(steps: list[Step]) -> dict[int, FusedNormalization]:
    """Return index of a BatchNorm's Step -> FusedNormalization, for all in a net that fuse."""
    pairs = {}
    for index, (norm, scale) in enumerate(zip(steps, steps[1:])):
        batch_norm, factor = norm.layer, scale.layer
        if (
            isinstance(batch_norm, BatchNormLayer)
            and isinstance(factor, ScaleLayer)
            and scale.in_place == [True]
            and scale.bottom_names == norm.top_names
            and factor.axis == 1
            and factor.operand == (batch_norm.channels,)
            and not any(norm.param_needs)
            and not any(norm.loss_weights)
        ):
            pairs[index] = FusedNormalization(norm, batch_norm, scale, factor)
    return pairs
