"""The layer SegAccuracy of DeepLab's and PSPNet's forks of Caffe."""

from __future__ import annotations

import torch

from .base import Param, Shapes, Tensors, register
from .loss import LossLayer


@register("SegAccuracy")
class SegAccuracy(LossLayer):
    """Pixel accuracy, mean accuracy of the classes, and their mean intersection over union.

    Labels among the `ignore_label`s do not count. The top, 1 x 1 x 1 x 3, is of the batch, or with
    `reset: false` of all batches so far. As in the forks the mean accuracy is over classes with
    labels, while a class that has neither labels nor predictions has an intersection over union of
    1; of equal scores the last class counts.
    """

    is_loss = False
    differentiable = False

    def setup(self, shapes: Shapes) -> list[Param]:
        p = self.proto.seg_accuracy_param
        self.ignored = sorted(set(p.ignore_label))
        self.classes = shapes[0][1] if len(shapes[0]) == 4 else 0
        self.counts = torch.zeros(self.classes, self.classes, dtype=torch.int64)
        return []

    def check(self, shapes: Shapes) -> None:
        if len(shapes[0]) != 4 or shapes[0][1] != self.classes:
            raise self.misfit("needs scores of N x classes x H x W, as it was set up with", shapes)
        self.require_one_label_per_vector(shapes, 1)

    def forward(self, bottoms: Tensors, params: Tensors) -> Tensors:
        scores, labels = bottoms
        index = labels.long().reshape(scores.shape[0], 1, *scores.shape[2:])
        valid = torch.ones_like(index, dtype=torch.bool)
        for label in self.ignored:
            valid &= index != label
        self.require_index(index[valid], self.classes, labels, self.proto.bottom[1])
        found = self.classes - 1 - scores.flip(1).argmax(1, keepdim=True)
        pairs = index[valid] * self.classes + found[valid]
        counts = torch.bincount(pairs, minlength=self.classes**2).cpu()
        if self.proto.seg_accuracy_param.reset:
            self.counts.zero_()
        self.counts += counts.view(self.counts.shape)
        return [self._measures().to(scores).view(1, 1, 1, 3)]

    def _measures(self) -> torch.Tensor:
        counts = self.counts.double()
        right, labelled = counts.diagonal(), counts.sum(1)
        union = labelled + counts.sum(0) - right
        present = labelled > 0
        return torch.stack([
            right.sum() / counts.sum().clamp(min=1),
            (right / labelled)[present].sum() / present.sum().clamp(min=1),
            torch.where(union == right, 1.0, right / union).mean(),
        ])  # fmt: skip
