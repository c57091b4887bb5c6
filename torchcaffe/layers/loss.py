"""The base of loss layers: labels, normalization and their checks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from caffeformat import pb
from torchcaffe.core import add_up, is_joined, solver_count

from .base import Layer, Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MODES = pb.LossParameter


class LossLayer(Layer):
    """A layer whose first top is a loss: two bottoms (predictions, labels), one scalar top."""

    bottoms = (2, 2)
    is_loss = True
    least_axes = 1
    label_bottoms: tuple[int, ...] = (1,)
    ignore_label: int | None = None
    normalization: int

    def read_loss_param(self, default: int = _MODES.VALID) -> None:
        """Read `loss_param`: `ignore_label` (None if unset) and how the sum is normalized.

        The older `normalize` means VALID or BATCH_SIZE and is ignored if `normalization` is set.
        """
        p = self.proto.loss_param
        self.ignore_label = p.ignore_label if p.HasField("ignore_label") else None
        self.normalization = default
        if p.HasField("normalization"):
            self.normalization = p.normalization
        elif p.HasField("normalize"):
            self.normalization = _MODES.VALID if p.normalize else _MODES.BATCH_SIZE

    def require_one_label_per_vector(self, shapes: Shapes, axis: int) -> None:
        """Refuse another number of labels than of vectors along `axis` of the predictions."""
        scores, labels = (tuple(shape) for shape in shapes[:2])
        vectors = math.prod(scores[:axis]) * math.prod(scores[axis + 1 :])
        if math.prod(labels) != vectors:
            raise self.error(
                f"needs one label for each of the {vectors} score vectors: "
                f'"{self.proto.bottom[0]}" is {scores} with the classes on axis {axis}, so labels '
                f"of shape {(*scores[:axis], 1, *scores[axis + 1 :])} would fit, but "
                f'"{self.proto.bottom[1]}" is {labels}.'
            )

    def require_one_label_per_item(self, shapes: Shapes) -> None:
        """Refuse another number of labels than of items N in the predictions, N x anything."""
        flat = (shapes[0][0], math.prod(shapes[0][1:]))
        self.require_one_label_per_vector([flat, shapes[1]], 1)

    def read_labels(
        self, labels: torch.Tensor, shape: Sequence[int], axis: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Read labels as indices, with size 1 on the classes' axis, and a mask of those that count.

        Ignored labels have index 0; the mask is None if no label can be ignored. Raises
        `InputError` for a label that is not below the number of classes.
        """
        index = labels.long().view(*shape[:axis], 1, *shape[axis + 1 :])
        valid = None
        if self.ignore_label is not None:
            valid = index != self.ignore_label
            index = index * valid
        self.require_index(index, shape[axis], labels, self.proto.bottom[1])
        return index, valid

    def normalizer(
        self, index: torch.Tensor, valid: torch.Tensor | None, axis: int
    ) -> int | torch.Tensor:
        """Return the divisor of the sum of losses: a number, or a tensor for VALID.

        It is at least 1. Of several solvers that train together each has a share of one divisor for
        all their batches, so that the mean of their losses is the loss of one large batch.
        """
        count = self._count(index, valid, axis)
        if self.phase == pb.TRAIN and is_joined():
            total = torch.as_tensor(count, dtype=torch.float32, device=index.device).clone()
            if self.normalization != _MODES.NONE:
                add_up([total])
            return total.clamp(min=1) / solver_count()
        return max(1, count) if isinstance(count, int) else count.clamp(min=1)

    def _count(
        self, index: torch.Tensor, valid: torch.Tensor | None, axis: int
    ) -> int | torch.Tensor:
        """What the sum of losses is divided by, for the solver's own batch."""
        if self.normalization == _MODES.VALID and valid is not None:
            return valid.sum()
        if self.normalization in (_MODES.FULL, _MODES.VALID):
            return index.numel()
        if self.normalization == _MODES.BATCH_SIZE:
            return math.prod(index.shape[:axis])
        return 1
