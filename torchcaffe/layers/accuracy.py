"""Layers that compare or pick the highest scores: Accuracy and ArgMax."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import torch

from .base import Layer, Param, Shapes, Tensors, register
from .loss import LossLayer

if TYPE_CHECKING:
    from caffeformat import pb


@register("Accuracy")
class Accuracy(LossLayer):
    """The share of labels whose class has one of the `top_k` highest scores.

    A score that ties with that of the true class counts as higher, as in Caffe. A second top holds
    the accuracy of each class, 0 for a class without labels.

    Without an `ignore_label` of its own, labels past the classes that a loss of the same labels
    ignores count as wrong, as in SegNet's fork, whose networks are published like this.
    """

    tops = (1, 2)
    is_loss = False
    differentiable = False
    ignored_by_losses: frozenset[int] = frozenset()
    _warned = False

    def meet(self, net: pb.NetParameter) -> None:
        if self.proto.accuracy_param.HasField("ignore_label") or len(self.proto.bottom) < 2:
            return
        origins: dict[str, str] = {}
        for layer in net.layer:
            if layer.type == "Split":
                origin = origins.get(layer.bottom[0], layer.bottom[0])
                origins.update(dict.fromkeys(layer.top, origin))
        mine = origins.get(self.proto.bottom[1])
        self.ignored_by_losses = frozenset(
            layer.loss_param.ignore_label
            for layer in net.layer
            if layer.loss_param.HasField("ignore_label")
            and mine is not None
            and mine in map(origins.get, layer.bottom[1:])
        )

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.accuracy_param
        self.top_k = p.top_k
        self.ignore_label = p.ignore_label if p.HasField("ignore_label") else None
        self.axis = self.canonical_axis(p.axis, shapes[0])
        return []

    def check(self, shapes: Shapes) -> None:
        self.require_one_label_per_vector(shapes, self.axis)
        if self.top_k > shapes[0][self.axis]:
            raise self.error(
                f"top_k is {self.top_k}, but its bottom of shape {tuple(shapes[0])} has "
                f"{shapes[0][self.axis]} classes."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores, labels = bottoms
        labels, wrong = self._without_ignored(labels, scores.shape[self.axis])
        index, valid = self.read_labels(labels, scores.shape, self.axis)
        # The true class itself is among the scores that are at least as high.
        higher = (scores >= scores.gather(self.axis, index)).sum(self.axis, keepdim=True) - 1
        right = higher < self.top_k
        if valid is not None:
            right &= valid
        if wrong is not None:
            right &= ~wrong.view(right.shape)
        counted = index.numel() if valid is None else int(valid.sum())
        tops = [right.sum() / max(1, counted)]
        if len(self.proto.top) > 1:
            classes = scores.shape[self.axis]
            labelled = index if valid is None else index[valid]
            if wrong is not None:
                labelled = labelled.flatten()[~wrong.flatten()]
            totals = torch.bincount(labelled.flatten(), minlength=classes)
            hits = torch.bincount(index[right], minlength=classes)
            tops.append(hits / totals.clamp(min=1))
        return [top.to(scores.dtype) for top in tops]

    def _without_ignored(
        self, labels: torch.Tensor, classes: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Replace labels past the classes that a loss ignores by 0; returns where they were."""
        if not self.ignored_by_losses:
            return labels, None
        found = torch.zeros_like(labels, dtype=torch.bool)
        for label in self.ignored_by_losses:
            if not 0 <= label < classes:
                found |= labels == label
        if not found.any():
            return labels, None
        if not self._warned:
            self._warned = True
            names = ", ".join(map(str, sorted(self.ignored_by_losses)))
            warnings.warn(
                f'layer "{self.name}" (Accuracy): labels that the loss ignores ({names}) count as '
                "wrong, as in SegNet's Caffe; set ignore_label in accuracy_param to leave them out",
                stacklevel=1,
            )
        return labels.masked_fill(found, 0), found


@register("ArgMax")
class ArgMax(Layer):
    """The indices of the `top_k` highest values; the last one first among equals.

    With `axis`, the maxima are taken along it, and the top holds their indices, or with
    `out_max_val` their values. Without, they are taken over each whole image, and the top is
    N x 1 x top_k, or with `out_max_val` N x 2 x top_k with the values in the second channel.
    """

    differentiable = False
    least_axes = 1

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.argmax_param
        self.top_k, self.values = p.top_k, p.out_max_val
        self.axis = self.canonical_axis(p.axis, shapes[0]) if p.HasField("axis") else None
        return []

    def check(self, shapes: Shapes) -> None:
        shape = shapes[0]
        candidates = shape[self.axis] if self.axis is not None else torch.Size(shape[1:]).numel()
        if not 1 <= self.top_k <= candidates:
            raise self.error(
                f"top_k is {self.top_k}, but its bottom of shape {tuple(shape)} gives "
                f"{candidates} values to choose from."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        (x,) = bottoms
        if self.axis is not None:
            index, values = self._highest(x, self.axis)
            return [values if self.values else index]
        index, values = self._highest(x.reshape(len(x), math.prod(x.shape[1:])), 1)
        both = torch.stack([index, values] if self.values else [index], 1)
        return [both.view(self.fitted[0])]

    def _highest(self, x: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Find the `top_k` highest along `axis`: their indices (as floats) and their values.

        Among equal values the last comes first.
        """
        size = x.shape[axis]
        if self.top_k == 1:
            values = x.amax(axis, keepdim=True)
            places = torch.arange(size, device=x.device).view(-1, *(1,) * (x.dim() - axis - 1))
            index = torch.where(x == values, places, -1).amax(axis, keepdim=True)
        else:
            values, index = x.flip(axis).sort(dim=axis, descending=True, stable=True)
            values = values.narrow(axis, 0, self.top_k)
            index = size - 1 - index.narrow(axis, 0, self.top_k)
        return index.to(x.dtype), values
