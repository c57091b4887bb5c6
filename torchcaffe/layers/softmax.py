"""The layers Softmax and SoftmaxWithLoss."""

from __future__ import annotations

import math
from typing import Any

import torch

from .base import Layer, Param, Shapes, Tensors, register
from .loss import LossLayer

_LOG_TINY = math.log(torch.finfo(torch.float32).tiny)


@register("Softmax")
class Softmax(Layer):
    """e^x over its sum along `axis`."""

    def setup(self, shapes: Shapes) -> list[Param]:
        self.axis = self.canonical_axis(self.proto.softmax_param.axis, shapes[0])
        return []

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        return [torch.softmax(bottoms[0], self.axis)]


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(LossLayer):
    """Mean of -log(softmax of the true class) over the labels that are not ignored.

    Bottoms: scores, with the classes along `softmax_param.axis`, and one label per score vector. A
    second top holds the probabilities.

    SegNet's `weight_by_label_freqs` multiplies each loss by the `class_weighting` of its class or,
    as in the first release, which had no such field, divides it by the number of labels of its
    class in the batch. The mean still counts labels.
    """

    tops = (1, 2)
    inputs_are_free = True  # the gradient is computed from the logarithms of the probabilities

    def setup(self, shapes: Shapes) -> list[Param]:
        self.read_loss_param()
        self.axis = self.canonical_axis(self.proto.softmax_param.axis, shapes[0])
        p = self.proto.loss_param
        self.weights: torch.Tensor | None = None
        self.by_counts = p.weight_by_label_freqs and not p.class_weighting
        if p.weight_by_label_freqs and p.class_weighting:
            if len(p.class_weighting) != shapes[0][self.axis]:
                raise self.error(
                    f"has {len(p.class_weighting)} class_weighting for {shapes[0][self.axis]} "
                    "classes; give one per class."
                )
            self.weights = torch.tensor(list(p.class_weighting), device=self.device)
        return []

    def check(self, shapes: Shapes) -> None:
        self.require_one_label_per_vector(shapes, self.axis)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores, labels = bottoms
        index, valid = self.read_labels(labels, scores.shape, self.axis)
        normalizer = self.normalizer(index, valid, self.axis)
        weights = self.weights
        if self.by_counts:
            counts = torch.bincount(
                (index if valid is None else index[valid]).flatten(),
                minlength=scores.shape[self.axis],
            )
            weights = 1 / counts.clamp(min=1)
        if weights is not None:
            weights = weights.to(scores.dtype)[index]
            valid = weights if valid is None else weights * valid
        loss, probabilities = _SoftmaxLoss.apply(
            scores, index, valid, self.axis, normalizer, len(self.proto.top) > 1
        )
        return [loss, probabilities][: len(self.proto.top)]


class _SoftmaxLoss(torch.autograd.Function):
    """The loss divided by `normalizer`; its gradient is (probabilities - truth) / normalizer.

    As in Caffe, the loss counts no probability as less than the smallest float, while the gradient
    is that of the loss without this floor.
    """

    @staticmethod
    def forward(
        ctx: Any,
        scores: torch.Tensor,
        index: torch.Tensor,
        valid: torch.Tensor | None,
        axis: int,
        normalizer: int | torch.Tensor,
        want_probabilities: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        logs = torch.log_softmax(scores, axis)
        losses = logs.gather(axis, index).clamp_(min=_LOG_TINY).neg_()
        if valid is not None:
            losses.mul_(valid)
        ctx.save_for_backward(logs, index, valid)
        ctx.axis, ctx.normalizer = axis, normalizer
        probabilities = logs.exp() if want_probabilities else None
        if probabilities is not None:
            ctx.mark_non_differentiable(probabilities)
        return losses.sum() / normalizer, probabilities

    @staticmethod
    def backward(
        ctx: Any, loss_weight: torch.Tensor, _: torch.Tensor | None
    ) -> tuple[torch.Tensor, None, None, None, None, None]:
        logs, index, valid = ctx.saved_tensors
        grad = logs.exp()
        grad.scatter_add_(ctx.axis, index, grad.new_full((), -1.0).expand(index.shape))
        factor = loss_weight / ctx.normalizer
        grad.mul_(factor if valid is None else valid * factor)
        return grad, None, None, None, None, None
