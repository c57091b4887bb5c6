"""GluonCV's FCN and PSPNet on dilated ResNets (`fcn_resnet50_voc`, `psp_resnet101_voc`, ...).

Names and structure are those of gluoncv 0.4 to 0.10: the stem has three convolutions (ResNet
v1s). Files of gluoncv 0.2, whose stem is one convolution (v1b) and whose head has a bias before its
BatchNorm, are read, too. Scores are resized bilinearly to the image, corners on corners, as MXNet's
BilinearResize2D does. BatchNorm's epsilon is Gluon's default, the same as PyTorch's, and gamma
counts (`fix_gamma` is off in Gluon).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caffeformat import InputError

from . import resnet

if TYPE_CHECKING:
    from caffeformat.messages import Top

    from .builder import NetBuilder

TRAINING_ONLY = r"auxlayer\..*"

_KNOWN = re.compile(r"(conv1|bn1|layer[1-4]|head\.(block|psp)|auxlayer)\..*")

# Parts per axis of the features that PSPNet averages over. gluoncv 0.3 had 4 in place of 6.
_PARTS = (1, 2, 3, 6)


def fcn(b: NetBuilder) -> None:
    """Add the layers of an FCN to the `NetBuilder` `b`, up to `score`."""
    _refuse_others(b)
    _scores(b, resnet.trunk(b, dilations=resnet.DILATIONS))


def pspnet(b: NetBuilder) -> None:
    """Add the layers of a PSPNet to the `NetBuilder` `b`, up to `score`.

    Its averages are over equal parts of the features, so the sides of its input must give features
    that 6 divides, such as multiples of 48.
    """
    _refuse_others(b)
    features = resnet.trunk(b, dilations=resnet.DILATIONS)
    levels = [features]
    for number, parts in enumerate(_PARTS, 1):
        name, prefix = f"pyramid{parts}", f"head.psp.conv{number}"
        if parts == 1:
            top = b.global_pooling(f"{name}_pool", features)
        else:
            top = b.adaptive_pooling(f"{name}_pool", features, parts)
        top = b.convolution(name, f"{prefix}.0", top)
        top = b.batch_norm(f"{name}_bn", f"{name}_scale", f"{prefix}.1", top)
        levels.append(b.resized(f"{name}_interp", b.relu(f"{name}_relu", top), features))
    _scores(b, b.joined("pyramid", *levels))


def _scores(b: NetBuilder, features: Top) -> None:
    b.resized("score", resnet.head(b, "head.block", features), b.n.data)


def _refuse_others(b: NetBuilder) -> None:
    others = [name for name in b.tensors if not _KNOWN.fullmatch(name)]
    if others:
        raise InputError(
            f"not GluonCV's FCN or PSPNet: it has {len(others)} tensors such as "
            f"{', '.join(others[:4])}; expected only those of conv1, bn1, layer1 to layer4, "
            "head.block, head.psp and auxlayer"
        )
