"""Python layers for losses that Caffe does not have: `DiceLoss`, `FocalLoss`, `HardPixelLoss`.

    layer {
      name: "loss" type: "Python" bottom: "score" bottom: "label" top: "loss" loss_weight: 1
      python_param {
        module: "fcnkit.loss_layers" layer: "FocalLoss"
        param_str: '{"gamma": 2, "ignore_label": 255}'
      }
    }

Bottoms are scores (N x C x H x W) and labels (N x 1 x H x W), the top is one number.
`fcnkit.losses` has formulae and options. The layers are the same on both engines; with torchcaffe
they compute where the net does, so that on a GPU neither scores nor gradients leave it, and
processes that train together have the loss of their batches as of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from fcnkit import engine
from fcnkit.losses import LOSSES, parse_loss_options, softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torchcaffe import Layer
else:
    Layer = engine.load().Layer


class _PixelLoss(Layer):
    """A loss of `LOSSES`, `kind`; bottoms: scores and labels; top: the loss."""

    kind = ""

    def setup(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Read the options."""
        if len(bottom) != 2 or len(top) != 1:
            raise InputError(
                f"a {type(self).__name__} layer has two bottoms, scores and labels, and one top; "
                f"found {len(bottom)} and {len(top)}"
            )
        self._options = parse_loss_options(self.kind, self.param_str)
        self._ignore = self._options.pop("ignore_label")
        self._softmax = self._options.pop("softmax")
        self._gradients: list[tuple[float, Callable[[], Any]]] = []

    def reshape(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """The loss is one number."""
        scores, labels = tuple(bottom[0].shape), tuple(bottom[1].shape)
        if len(scores) != 4 or labels not in ((scores[0], 1, *scores[2:]), scores[:1] + scores[2:]):
            raise InputError(
                f"a {type(self).__name__} layer got scores of shape {scores} and labels of shape "
                f"{labels}; expected N x C x H x W and N x 1 x H x W"
            )
        top[0].reshape(1)

    def forward(self, bottom: Sequence[engine.Blob], top: Sequence[engine.Blob]) -> None:
        """Compute the loss."""
        scores, labels = engine.values_of(bottom[0]), engine.values_of(bottom[1])
        shared = engine.batch_of(self.phase)
        value, gradient = LOSSES[self.kind].function(
            scores, labels, self._ignore, shared=shared, **self._options
        )
        self._gradients = [(1.0, gradient)]
        if self._softmax:
            plain, gradient = softmax(scores, labels, self._ignore, shared=shared)
            value += self._softmax * plain
            self._gradients.append((self._softmax, gradient))
        engine.set_values(top[0], value)

    def backward(
        self,
        top: Sequence[engine.Blob],
        propagate_down: Sequence[bool],
        bottom: Sequence[engine.Blob],
    ) -> None:
        """Compute the gradient for the scores; that for labels, where a net forces it, is 0."""
        if propagate_down[1]:
            bottom[1].diff[...] = 0
        if propagate_down[0]:
            (_, own), *others = self._gradients
            total = own()
            for share, gradient in others:
                total += share * gradient()
            total *= engine.gradient_of(top[0])  # the loss weight
            engine.set_gradient(bottom[0], total)


class DiceLoss(_PixelLoss):
    """1 - mean soft Dice coefficient: `fcnkit.losses.dice`."""

    kind = "dice"


class FocalLoss(_PixelLoss):
    """Softmax loss in which easy pixels count less: `fcnkit.losses.focal`."""

    kind = "focal"


class HardPixelLoss(_PixelLoss):
    """Softmax loss of the hardest pixels: `fcnkit.losses.hard_pixels`."""

    kind = "hard_pixels"
