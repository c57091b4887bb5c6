"""The losses other than SoftmaxWithLoss, which is with Softmax."""

import math

import torch
import torch.nn.functional as F

from caffeformat import pb, read_blob

from .base import register
from .loss import LossLayer

_MODES = pb.LossParameter
_TINY_PROBABILITY = 1e-20  # what the logistic losses take for a probability at the least


@register("EuclideanLoss")
class EuclideanLoss(LossLayer):
    """Half the sum of squared differences, over N; both bottoms get a gradient."""

    label_bottoms = ()

    def check(self, shapes):
        if math.prod(shapes[0][1:]) != math.prod(shapes[1][1:]) or shapes[0][0] != shapes[1][0]:
            raise self.error(
                f'its bottoms must have as many values: "{self.proto.bottom[0]}" is '
                f'{tuple(shapes[0])}, "{self.proto.bottom[1]}" is {tuple(shapes[1])}.'
            )

    def forward(self, bottoms, params):
        a, b = bottoms
        return [(a - b.view_as(a)).square().sum() / (2 * len(a))]


@register("ContrastiveLoss")
class ContrastiveLoss(LossLayer):
    """Hadsell et al. 2006 on pairs of N x C features: similar ones (label 1) near, others apart.

    Half the mean of d^2 for similar pairs and of max(0, margin - d)^2 for others, d their distance;
    the `legacy_version` has max(0, margin - d^2) instead.
    """

    bottoms = (3, 3)
    label_bottoms = (2,)

    def check(self, shapes):
        a, b, labels = (tuple(shape) for shape in shapes)
        if a != b or math.prod(a[2:]) != 1 or math.prod(labels) != a[0]:
            raise self.error(
                "needs two bottoms of N x C features and N labels; found shapes "
                f"{a}, {b} and {labels}."
            )

    def forward(self, bottoms, params):
        p = self.proto.contrastive_loss_param
        a, b, labels = bottoms
        squares = (a - b).flatten(1).square().sum(1)
        if p.legacy_version:
            apart = (p.margin - squares).clamp(min=0)
        else:
            # The square root has no slope at 0: there the gradient of the distance is 0.
            safe = squares.where(squares > 0, 1)
            distance = safe.sqrt().where(squares > 0, 0)
            apart = (p.margin - distance).clamp(min=0).square()
        similar = labels.view(-1).long() != 0
        return [torch.where(similar, squares, apart).sum() / (2 * len(a))]


@register("HingeLoss")
class HingeLoss(LossLayer):
    """Sum of max(0, 1 + score) for wrong classes and max(0, 1 - score) for the true one, over N.

    `norm: L2` squares each. Scores are N x everything else.
    """

    def setup(self, shapes):
        self.ignore_label = None
        self.squared = self.proto.hinge_loss_param.norm == pb.HingeLossParameter.L2
        return []

    def check(self, shapes):
        flat = (shapes[0][0], math.prod(shapes[0][1:]))
        self.require_one_label_a_vector([flat, shapes[1]], 1)

    def forward(self, bottoms, params):
        scores = bottoms[0].flatten(1)
        index, _ = self.read_labels(bottoms[1], scores.shape, 1)
        signs = torch.ones_like(scores).scatter_(1, index, -1.0)
        margins = (1 + signs * scores).clamp(min=0)
        return [(margins.square() if self.squared else margins).sum() / len(scores)]


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(LossLayer):
    """Mean of -log(probability of the true class), for bottoms that already are probabilities."""

    def setup(self, shapes):
        self.ignore_label = None
        return []

    def check(self, shapes):
        flat = (shapes[0][0], math.prod(shapes[0][1:]))
        self.require_one_label_a_vector([flat, shapes[1]], 1)

    def forward(self, bottoms, params):
        probabilities = bottoms[0].flatten(1)
        index, _ = self.read_labels(bottoms[1], probabilities.shape, 1)
        return [-_log(probabilities.gather(1, index)).sum() / len(probabilities)]


def _log(probabilities):
    """The logarithm of probabilities of at least 1e-20; below, its slope is that at 1e-20."""
    floor = probabilities.detach().clamp(min=_TINY_PROBABILITY)
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

    def setup(self, shapes):
        p = self.proto.infogain_loss_param
        if self.proto.loss_param.HasField("normalize"):
            raise self.error("takes loss_param.normalization, not the older normalize.")
        self.read_loss_param()
        self.axis = self.canonical_axis(p.axis, shapes[0])
        self.matrix = None
        if len(shapes) < 3:
            if not p.source:
                raise self.error("needs its matrix: a third bottom, or source (a binaryproto).")
            self.matrix = torch.from_numpy(read_blob(p.source).copy()).to(self.device)
        return []

    def check(self, shapes):
        self.require_one_label_a_vector(shapes, self.axis)
        classes = shapes[0][self.axis]
        matrix = shapes[2] if len(shapes) == 3 else self.matrix.shape
        if math.prod(matrix) != classes**2:
            raise self.error(
                f"its matrix has shape {tuple(matrix)}, but {classes} classes (scores of shape "
                f"{tuple(shapes[0])}) need {classes} x {classes}."
            )

    def forward(self, bottoms, params):
        scores, labels = bottoms[:2]
        classes = scores.shape[self.axis]
        matrix = (bottoms[2] if len(bottoms) == 3 else self.matrix).reshape(classes, classes)
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

    By default over N (`normalization: BATCH_SIZE`).
    """

    def setup(self, shapes):
        self.read_loss_param(default=_MODES.BATCH_SIZE)
        return []

    def check(self, shapes):
        if math.prod(shapes[0]) != math.prod(shapes[1]):
            raise self.error(
                f'needs a target for each score: "{self.proto.bottom[0]}" is {tuple(shapes[0])}, '
                f'"{self.proto.bottom[1]}" is {tuple(shapes[1])}.'
            )

    def forward(self, bottoms, params):
        scores, targets = bottoms[0], bottoms[1].view(bottoms[0].shape)
        losses = F.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        valid = None
        if self.ignore_label is not None:
            valid = targets.long() != self.ignore_label
            losses = losses * valid
        return [losses.sum() / self.normalizer(targets, valid, 1)]
