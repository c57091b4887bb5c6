"""A BatchNorm and the Scale that works in place on its top, computed as one.

Nobody can see what is between them: the Scale overwrites it. So whenever a pass runs through both,
one operation does the work of two, and only a pass that begins or ends between them takes them
apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from torchcaffe.layers import BatchNormLayer, ScaleLayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .step import Step


class FusedNormalization:
    """Runs in a pass instead of the two Steps of a BatchNorm and the Scale behind it."""

    def __init__(
        self, norm: Step, batch_norm: BatchNormLayer, scale: Step, factor: ScaleLayer
    ) -> None:
        """Join Step `norm`, of layer `batch_norm`, with Step `scale`, of layer `factor`."""
        self.norm, self.scale = norm, scale
        self._batch_norm, self._factor = batch_norm, factor
        norm.fused = scale.fused = self
        self.bottom_names, self.top_names = norm.bottom_names, scale.top_names
        # (the bottom, the leaves whose gradient is needed, the top) of the last forward pass
        self.graph: tuple[torch.Tensor, list[torch.Tensor], torch.Tensor] | None = None

    @property
    def needs_backward(self) -> bool:
        """Whether either layer needs a backward pass."""
        return self.norm.needs_backward or self.scale.needs_backward

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
        norm.graph = scale.graph = self.graph = None
        x = norm.bottoms[0].tensor()
        self._fit(x)
        wanted: list[torch.Tensor] = []
        if self.needs_backward:
            x = norm.bottom_leaf(0)
            if norm.bottom_needs[0]:
                wanted.append(x)
        factors = scale.param_leaves(wanted) if self.needs_backward else scale.param_tensors()
        top = self._batch_norm.scaled(x, norm.param_tensors(), *factors)
        if self.needs_backward:
            self.graph = x, wanted, top
            top = top.data
        scale.tops[0].set_data(top)

    def backward(self) -> None:
        """Both layers' backward."""
        norm, scale = self.norm, self.scale
        if self.graph is None:
            for step in (scale, norm):
                if step.needs_backward:
                    step.backward()
            return
        _, wanted, top = self.graph
        diff = scale.tops[0].gradient()
        if not norm.in_place[0]:
            factor = self._factor.aligned(scale.params[0].tensor(), diff).clone()
            scale.tops[0].set_diff_later(lambda: diff * factor)
        gradients: Iterator[torch.Tensor] = iter(())
        if wanted:
            gradients = iter(torch.autograd.grad(top, wanted, diff, retain_graph=True))
        if norm.bottom_needs[0]:
            norm.bottoms[0].set_diff(next(gradients))
        scale.add_param_diffs(gradients)

    def take_apart(self) -> None:
        """Give each layer the graph that it would have if they had run one after the other."""
        norm, scale = self.norm, self.scale
        assert self.graph is not None
        x, _, _ = self.graph
        self.graph = None
        middle = self._batch_norm.scaled(x, norm.param_tensors(), remember=False)
        norm.graph = ([x] if norm.bottom_needs[0] else []), [middle]
        leaf = middle.data.requires_grad_(scale.bottom_needs[0])
        wanted = [leaf] if scale.bottom_needs[0] else []
        scale.graph = wanted, scale.layer.forward([leaf], scale.param_leaves(wanted))


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
