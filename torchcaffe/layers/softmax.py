"""Softmax and the loss on top of it."""

import math

import torch

from .base import Layer, register
from .loss import LossLayer

_LOG_TINY = math.log(torch.finfo(torch.float32).tiny)


@register("Softmax")
class Softmax(Layer):
    """e^x over its sum along `axis`."""

    def setup(self, shapes):
        self.axis = self.canonical_axis(self.proto.softmax_param.axis, shapes[0])
        return []

    def forward(self, bottoms, params):
        return [torch.softmax(bottoms[0], self.axis)]


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(LossLayer):
    """Mean of -log(softmax of the true class) over the labels that are not ignored.

    Bottoms: scores, with the classes along `softmax_param.axis`, and as many labels as there are
    score vectors. A second top holds the probabilities.
    """

    tops = (1, 2)

    def setup(self, shapes):
        self.read_loss_param()
        self.axis = self.canonical_axis(self.proto.softmax_param.axis, shapes[0])
        return []

    def check(self, shapes):
        self.require_one_label_a_vector(shapes, self.axis)

    def forward(self, bottoms, params):
        scores, labels = bottoms
        index, valid = self.read_labels(labels, scores.shape, self.axis)
        normalizer = self.normalizer(index, valid, self.axis)
        loss, probabilities = _SoftmaxLoss.apply(
            scores, index, valid, self.axis, normalizer, len(self.proto.top) > 1
        )
        return [loss, probabilities][: len(self.proto.top)]


class _SoftmaxLoss(torch.autograd.Function):
    """The loss over `normalizer`; its gradient is (probabilities - truth) / normalizer.

    As in Caffe the loss counts no probability as less than the smallest float, while the gradient
    is that of the loss without this floor.
    """

    @staticmethod
    def forward(ctx, scores, index, valid, axis, normalizer, want_probabilities):
        logs = torch.log_softmax(scores, axis)
        losses = logs.gather(axis, index).clamp_(min=_LOG_TINY).neg_()
        if valid is not None:
            losses.mul_(valid)
        ctx.save_for_backward(logs, index, valid)
        ctx.axis, ctx.normalizer = axis, normalizer
        probabilities = logs.exp() if want_probabilities else None
        if want_probabilities:
            ctx.mark_non_differentiable(probabilities)
        return losses.sum() / normalizer, probabilities

    @staticmethod
    def backward(ctx, loss_weight, _):
        logs, index, valid = ctx.saved_tensors
        grad = logs.exp()
        grad.scatter_add_(ctx.axis, index, grad.new_full((), -1.0).expand(index.shape))
        factor = loss_weight / ctx.normalizer
        grad.mul_(factor if valid is None else valid * factor)
        return grad, None, None, None, None, None
