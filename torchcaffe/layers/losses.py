"""All losses except SoftmaxWithLoss, which is next to Softmax."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from caffeformat import pb, read_blob

from .base import Param, Shapes, Tensors, register
from .loss import LossLayer

_MODES = pb.LossParameter
_LEAST_PROBABILITY = 1e-20  # the logistic losses count no probability as less


@register("EuclideanLoss")
class EuclideanLoss(LossLayer):
    """Half the sum of squared differences, divided by N; both bottoms get a gradient."""

    label_bottoms = ()

    def check(self, shapes: Shapes) -> None:
        if math.prod(shapes[0][1:]) != math.prod(shapes[1][1:]) or shapes[0][0] != shapes[1][0]:
            raise self.error(
                f'its bottoms must have the same number of values: "{self.proto.bottom[0]}" is '
                f'{tuple(shapes[0])}, "{self.proto.bottom[1]}" is {tuple(shapes[1])}.'
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        a, b = bottoms
        return [(a - b.view_as(a)).square().sum() / (2 * len(a))]


@register("ContrastiveLoss")
class ContrastiveLoss(LossLayer):
    """Pulls similar pairs of N x C features (label 1) together and others apart.

    Half the mean of d^2 for similar pairs and of max(0, margin - d)^2 for others, where d is their
    distance (Hadsell et al. 2006); the `legacy_version` has max(0, margin - d^2) instead.
    """

    bottoms = (3, 3)
    label_bottoms = (2,)

    def check(self, shapes: Shapes) -> None:
        a, b, labels = (tuple(shape) for shape in shapes)
        if a != b or math.prod(a[2:]) != 1 or math.prod(labels) != a[0]:
            raise self.error(
                "needs two bottoms of N x C features and N labels; found shapes "
                f"{a}, {b} and {labels}."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        p = self.proto.contrastive_loss_param
        a, b, labels = bottoms
        squares = (a - b).flatten(1).square().sum(1)
        if p.legacy_version:
            apart = (p.margin - squares).clamp(min=0)
        else:
            # The square root has no slope at 0, where the gradient of the distance is set to 0.
            safe = squares.where(squares > 0, 1)
            distance = safe.sqrt().where(squares > 0, 0)
            apart = (p.margin - distance).clamp(min=0).square()
        similar = labels.view(-1).long() != 0
        return [torch.where(similar, squares, apart).sum() / (2 * len(a))]


@register("HingeLoss")
class HingeLoss(LossLayer):
    """Sum of max(0, 1 + score) of wrong classes and max(0, 1 - score) of the true one, over N.

    `norm: L2` squares each. Scores are N x anything.
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        self.squared = self.proto.hinge_loss_param.norm == pb.HingeLossParameter.L2
        return []

    def check(self, shapes: Shapes) -> None:
        self.require_one_label_per_item(shapes)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores = _rows(bottoms[0])
        index, _ = self.read_labels(bottoms[1], scores.shape, 1)
        signs = torch.ones_like(scores).scatter_(1, index, -1.0)
        margins = (1 + signs * scores).clamp(min=0)
        return [(margins.square() if self.squared else margins).sum() / len(scores)]


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(LossLayer):
    """Mean of -log(probability of the true class), for a bottom that holds probabilities."""

    def check(self, shapes: Shapes) -> None:
        self.require_one_label_per_item(shapes)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        probabilities = _rows(bottoms[0])
        index, _ = self.read_labels(bottoms[1], probabilities.shape, 1)
        return [-_log(probabilities.gather(1, index)).sum() / len(probabilities)]


def _rows(x: torch.Tensor) -> torch.Tensor:
    """The items of `x`, N x anything, as N x the number of values of each."""
    return x.reshape(len(x), math.prod(x.shape[1:]))


def _log(probabilities: torch.Tensor) -> torch.Tensor:
    """Take the logarithm of probabilities; below 1e-20, value and slope are those at 1e-20."""
    floor = probabilities.detach().clamp(min=_LEAST_PROBABILITY)
    return floor.log() + (probabilities - probabilities.detach()) / floor


@register("InfogainLoss")
class InfogainLoss(LossLayer):
    """Softmax, then the mean of -sum over classes k of H[label, k] log(probability of k).

    The matrix H is a third bottom, or a binaryproto at `infogain_loss_param.source`. A second top
    holds the probabilities.
    """

    bottoms = (2, 3)
    tops = (1, 2)
    label_bottoms = (1, 2)

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.infogain_loss_param
        if self.proto.loss_param.HasField("normalize"):
            raise self.error("needs loss_param.normalization instead of the older normalize.")
        self.read_loss_param()
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.matrix: torch.Tensor | None = None
        if len(shapes) < 3:
            if not p.source:
                raise self.error("needs a matrix: a third bottom, or source (a binaryproto).")
            self.matrix = torch.from_numpy(read_blob(p.source).copy()).to(self.device)
        return []

    def check(self, shapes: Shapes) -> None:
        self.require_one_label_per_vector(shapes, self.axis)
        classes = shapes[0][self.axis]
        matrix = shapes[2] if self.matrix is None else self.matrix.shape
        if math.prod(matrix) != classes**2:
            raise self.error(
                f"its matrix has shape {tuple(matrix)}, but {classes} classes (scores of shape "
                f"{tuple(shapes[0])}) need {classes} x {classes}."
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores, labels = bottoms[:2]
        classes = scores.shape[self.axis]
        matrix = bottoms[2] if self.matrix is None else self.matrix
        matrix = matrix.reshape(classes, classes)
        index, valid = self.read_labels(labels, scores.shape, self.axis)
        probabilities = torch.softmax(scores, self.axis)
        logs = _log(probabilities)
        gains = matrix[index.squeeze(self.axis)].movedim(-1, self.axis)
        losses = (gains * logs).sum(self.axis, keepdim=True)
        if valid is not None:
            losses = losses * valid
        loss = -losses.sum() / self.normalizer(index, valid, self.axis)
        return [loss, probabilities.detach()][: len(self.proto.top)]


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(LossLayer):
    """Sum of the cross entropies of sigmoid(score) and a target in 0 .. 1, normalized.

    The default divides by N (`normalization: BATCH_SIZE`).
    """

    def setup(self, shapes: Shapes) -> list[Param]:
        self.read_loss_param(default=_MODES.BATCH_SIZE)
        return []

    def check(self, shapes: Shapes) -> None:
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise self.error(
                f'needs one target per score: "{self.proto.bottom[0]}" is {tuple(shapes[0])}, '
                f'"{self.proto.bottom[1]}" is {tuple(shapes[1])}.'
            )

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores, targets = bottoms[0], bottoms[1].view(bottoms[0].shape)
        losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        valid = None
        if self.ignore_label is not None:
            valid = targets.long() != self.ignore_label
            losses = losses * valid
        return [losses.sum() / self.normalizer(targets, valid, 1)]
