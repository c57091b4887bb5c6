"""Losses of segmentation beside Caffe's own, as formulae on arrays.

`fcnkit.loss_layers` makes Python layers of them, which both engines run. This room knows arrays
and options only.
"""

from .arrays import Alone
from .options import LOSSES, MODULE, loss_kind, parse_loss, parse_loss_options
from .pixel_losses import dice, focal, hard_pixels, softmax

__all__ = [
    "LOSSES",
    "MODULE",
    "Alone",
    "dice",
    "focal",
    "hard_pixels",
    "loss_kind",
    "parse_loss",
    "parse_loss_options",
    "softmax",
]
