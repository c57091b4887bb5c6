"""One layer's step in a pass: forward with a small autograd graph, backward through it.

Each layer has a graph of its own: its bottoms enter as leaves, and a backward pass hands the tops'
diffs to autograd and writes what it returns into the bottoms' diffs. So passes may begin and end
anywhere, diffs may be edited between layers, and a blob that is changed in place ends up with the
gradient of its last maker's input, all as in Caffe.

A graph is kept by its edges, not by its tops, whose memory is the blobs' alone: unless a layer's
gradient needs its output, that memory may be overwritten or freed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from torchcaffe.core import BoolVec, RawBlobVec
from torchcaffe.layers import ManualLayer

from .graphs import AutogradGraph, LayerTraits, OwnGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from torchcaffe.core import Blob
    from torchcaffe.layers import Layer

    from .graphs import Graph


class _Fused(Protocol):
    """What computes a Step and its neighbour in one (see `fusion`)."""

    graph: tuple[torch.Tensor, Graph] | None

    def take_apart(self) -> None:
        """Give each of the two Steps its own graph."""


class Step(LayerTraits):
    """A layer in its net, with its blobs and the gradients it has to compute.

    `bottom_needs` and `param_needs` say for each bottom and parameter whether its gradient is
    needed; `loss_weights` has a number for each top. `manual` is the layer if it works on Blobs.
    """

    __slots__ = (
        "bottom_names",
        "bottom_needs",
        "bottoms",
        "fused",
        "graph",
        "has_added_up",
        "in_place",
        "layer",
        "loss_scale",
        "loss_weights",
        "lower_params",
        "manual",
        "needs_backward",
        "overwrites",
        "overwritten",
        "param_needs",
        "params",
        "shapes",
        "top_names",
        "tops",
    )

    def __init__(
        self,
        layer: Layer,
        bottom_names: list[str],
        bottoms: list[Blob],
        top_names: list[str],
        tops: list[Blob],
    ) -> None:
        self.layer = layer
        self.bottom_names, self.bottoms = bottom_names, RawBlobVec(bottoms)
        self.top_names, self.tops = top_names, RawBlobVec(tops)
        self.manual = layer if isinstance(layer, ManualLayer) else None
        self.in_place = [name in top_names for name in bottom_names]
        self.params: list[Blob] = []
        self.param_needs: list[bool] = []
        self.bottom_needs = [False] * len(bottoms)
        self.needs_backward = False
        self.loss_weights = [0.0] * len(tops)
        self.loss_scale = 1.0  # what a solver multiplies losses by in backward passes
        self.overwrites = False  # it computes in place, in the memory of its bottom
        self.shapes: list[tuple[int, ...]] | None = None  # the bottoms' shapes checked last
        self.graph: Graph | None = None  # what gradients of the last forward pass come from
        self.has_added_up = False  # the last forward pass was `add_up_in`
        self.overwritten: torch.Tensor | None = None  # the bottom that the last forward overwrote
        self.fused: _Fused | None = None  # may run instead of it
        self.lower_params: list[torch.Tensor] | None = None  # set for a pass (see `at_once`)

    def drop_graph(self) -> None:
        """Let go of what the last forward pass kept for a backward pass."""
        self.graph = self.overwritten = None
        self.has_added_up = False

    def reshape(self) -> None:
        """Check the bottoms' shapes and set the tops' shapes."""
        if self.manual is not None:
            self.manual.reshape_blobs(self.bottoms, self.tops)
        else:
            for blob, shape in zip(self.tops, self.fit([blob.shape for blob in self.bottoms])):
                blob.reshape(*shape)
        self._weigh_losses()

    def fit(self, shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Check that the layer takes bottoms of these shapes; returns those of its tops."""
        self.shapes = None
        fitted = self.layer.fit(shapes)
        self.shapes = shapes
        return fitted

    def _weigh_losses(self) -> None:
        """Make each loss's diff its weight, from which backward passes start."""
        for blob, weight in zip(self.tops, self.loss_weights):
            if weight and not blob.has_gradient:
                blob.set_diff(torch.full(blob.shape, weight, device=blob.device))

    def forward(self) -> None:
        """Compute the tops' data, keeping what a backward pass needs."""
        self.drop_graph()
        if self.fused is not None:
            self.fused.graph = None
        manual = self.manual
        if manual is not None:
            if not manual.fixed_tops:
                self.reshape()
            manual.forward_blobs(self.bottoms, self.tops)
            return
        bottoms = [blob.tensor() for blob in self.bottoms]
        shapes = [tuple(tensor.shape) for tensor in bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        if self.overwrites:
            self.overwritten = bottoms[0].data
            self.layer.overwrite(self.overwritten)
            self.tops[0].data_written()
        elif self.needs_backward:
            self._forward_with_graph()
        else:
            params = self.lower_params or self.param_tensors()
            for blob, top in zip(self.tops, self.layer.compute(bottoms, params)):
                blob.set_data(top)
        if any(self.loss_weights):
            self._weigh_losses()

    def add_up_in(self, blob: Blob) -> None:
        """Run `forward` of a layer that `adds_up`, in the memory of one of its bottoms, `blob`."""
        self.drop_graph()
        shapes = [bottom.shape for bottom in self.bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        total = blob.tensor().data
        for bottom in self.bottoms:
            if bottom is not blob:
                total.add_(bottom.tensor())
        self.has_added_up = True
        self.tops[0].set_data(total)
        self._weigh_losses()

    def top_again(self) -> Callable[[], torch.Tensor] | None:
        """Return what computes the last forward pass's top again, or None if that is not cheap."""
        learns = any(self.param_needs) or not self.layer.is_cheap or len(self.tops) > 1
        if learns or self.in_place != [False] * len(self.bottoms):
            return None

        def compute() -> torch.Tensor:
            with torch.no_grad():
                bottoms = [blob.tensor() for blob in self.bottoms]
                return self.layer.compute(bottoms, self.param_tensors())[0]

        return compute

    def repeating(self) -> AbstractContextManager[None]:
        """Let `forward`, run meanwhile for the last batch, leave running statistics alone."""
        return self.layer.repeating()

    def compute(self, bottoms: list[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the tops for these tensors, without a graph and without using the blobs.

        A layer that overwrites its bottom does so here too.
        """
        shapes = [tuple(tensor.shape) for tensor in bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        if self.overwrites:
            self.layer.overwrite(bottoms[0])
            return bottoms
        return self.layer.compute(bottoms, self.lower_params or self.param_tensors())

    def _forward_with_graph(self) -> None:
        bottoms = self._bottom_values()
        needs = [*self.bottom_needs, *self.param_needs]
        params = self.lower_params or self.param_tensors()
        made = self.layer.compute_with_gradient(bottoms, params, needs)
        if made is not None:
            top, gradient = made
            self.graph = OwnGraph(gradient, top.dtype)
            self.tops[0].set_data(top)
            return
        tops, graph = self._differentiated(bottoms)
        if self.inputs_are_free:
            graph.forget_values()
        self.graph = graph
        for blob, top in zip(self.tops, tops):
            blob.set_data(top.data)

    def _differentiated(
        self, bottoms: list[torch.Tensor]
    ) -> tuple[Sequence[torch.Tensor], AutogradGraph]:
        """Return the tops for `bottoms`, as `_bottom_values` returns them, and their graph."""
        wanted = [x.requires_grad_() for x, needs in zip(bottoms, self.bottom_needs) if needs]
        params = self.param_leaves(wanted)
        tops = self.layer.compute(bottoms, params)
        return tops, AutogradGraph(wanted, tops)

    def _bottom_values(self) -> list[torch.Tensor]:
        """Return the bottoms' tensors for a graph, of which they may be leaves."""
        return [self.bottom_value(index) for index in range(len(self.bottoms))]

    def bottom_value(self, index: int) -> torch.Tensor:
        """Return a bottom's values as a tensor that is no blob's."""
        blob = self.bottoms[index]
        # What is computed in place must not change under a graph that still reads it.
        apart = self.in_place[index] and blob.data_held
        return blob.tensor().clone() if apart else blob.tensor().data

    def param_tensors(self) -> list[torch.Tensor]:
        """Return the parameters, without a graph."""
        return [blob.tensor() for blob in self.params]

    def param_leaves(self, wanted: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the parameters as leaves of a graph; adds to `wanted` those with a gradient."""
        leaves = []
        for blob, needs in zip(self.params, self.param_needs):
            # Not the blob's own tensor: autograd counts every change to it, and would refuse a
            # second backward pass once a solver has had its turn.
            tensor = blob.tensor().data
            if needs:
                tensor.requires_grad_()
                # An attribute of our own, by which a convolution's backward finds the memory.
                tensor.gradient_memory = blob.gradient_memory  # type: ignore[attr-defined]
                wanted.append(tensor)
            leaves.append(tensor)
        return leaves

    def backward(self, lean: bool = False) -> None:
        """Compute the bottoms' diffs from the tops', and add to the parameters' diffs.

        `lean`: the tops' diffs are freed afterwards, so a bottom may take them over.
        """
        if self.manual is not None:
            self.manual.backward_blobs(self.tops, BoolVec(self.bottom_needs), self.bottoms)
            if self.loss_scale != 1 and any(self.loss_weights):
                for blob, needs in zip(self.bottoms, self.bottom_needs):
                    if needs:
                        blob.set_diff(blob.gradient() * self.loss_scale)
            return
        if self.has_added_up:
            diff, takes_over = self.top_diff(0), lean
            for blob, needs in zip(self.bottoms, self.bottom_needs):
                if needs:
                    blob.set_diff(diff if takes_over else diff.clone())
                    takes_over = False
            return
        first = self.graph is None and (self.fused is None or self.fused.graph is None)
        if first and self.overwrites and self.overwritten is None:
            self.overwritten = self.bottoms[0].tensor().data
        if self.overwritten is not None:
            (blob,) = self.bottoms
            if self.bottom_needs[0]:
                diff = self.top_diff(0).to(self.overwritten.dtype)
                blob.set_diff(self.layer.gradient_of_overwritten(self.overwritten, diff))
            return
        if self.graph is None and self.fused is not None and self.fused.graph is not None:
            self.fused.take_apart()
        self._refuse_gradient_of_labels()
        graph = self.graph or self._graph_without_forward()
        gradients = iter(graph.gradients(self.top_diff))
        self.set_bottom_diffs(gradients)
        self.add_param_diffs(gradients)

    def _graph_without_forward(self) -> Graph:
        """Return a graph of what the bottoms hold now; tops and parameters stay as they are."""
        before = [tensor.clone() for tensor in self.param_tensors()]
        shapes = [blob.shape for blob in self.bottoms]
        if shapes != self.shapes:
            self.fit(shapes)
        _, graph = self._differentiated(self._bottom_values())
        for blob, values in zip(self.params, before):
            if not torch.equal(blob.tensor(), values):  # statistics that a forward pass updates
                blob.fill(values)
        return graph

    def set_bottom_diffs(self, gradients: Iterator[torch.Tensor | None]) -> None:
        """Take what `gradients` yields as the diffs of the bottoms that need one, in order."""
        for blob, needs in zip(self.bottoms, self.bottom_needs):
            if needs:
                gradient = next(gradients)
                blob.set_diff(blob.tensor().new_zeros(blob.shape) if gradient is None else gradient)

    def add_param_diffs(self, gradients: Iterator[torch.Tensor | None]) -> None:
        """Add what `gradients` yields to the diffs of the parameters that need one, in order."""
        for blob, needs in zip(self.params, self.param_needs):
            if needs:
                gradient = next(gradients)
                if gradient is not None:
                    blob.add_diff(gradient.float())

    def top_diff(self, index: int) -> torch.Tensor:
        """Return the diff of a top, times `loss_scale` if the top is a loss."""
        diff = self.tops[index].gradient()
        is_scaled = self.loss_scale != 1 and self.loss_weights[index]
        return diff * self.loss_scale if is_scaled else diff

    def _refuse_gradient_of_labels(self) -> None:
        for index in self.layer.label_bottoms:
            # The third bottom of InfogainLoss, the matrix, is optional.
            is_there = index < len(self.bottom_needs)
            if self.layer.is_loss and is_there and self.bottom_needs[index]:
                raise self.layer.error(
                    f'cannot compute a gradient for its labels, "{self.bottom_names[index]}"; stop '
                    "the gradient on its way to the labels with propagate_down or lr_mult: 0."
                )
