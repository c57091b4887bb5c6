"""FCN on a dilated ResNet, as GluonCV has it, for PASCAL VOC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import dilated, resnet
from .recipes import poly, segmentation_recipe

if TYPE_CHECKING:
    from caffeformat import NetSpec
    from caffeformat.messages import Top

# 50 passes over the 10,582 images of VOC 2012 and SBD, 16 at a time; one pass between tests.
_ITERATIONS, _PASS = 33069, 661


def fcn(
    n: NetSpec,
    data: Top,
    classes: int,
    depth: int,
    learned: bool = False,
    auxiliary: bool = False,
    older_head: bool = False,
    frozen: bool = False,
    v1b: bool = False,
) -> None:
    """Add the network to `n` on top of `data`; `depth` is 50 or 101.

    learned: learned upsampling instead of resizing; auxiliary: a second head, on stage 4 of 2 to 5
    (the third); older_head: that of the tutorial's first version; frozen: BatchNorm keeps to stored
    statistics in training, for small batches; v1b: the form of torchvision's and GluonCV's
    classifiers instead of that of the authors' weights.
    """
    style = resnet.V1B if v1b else resnet.AUTHORS
    settings = dilated.batch_norm(0.9, frozen)
    units = resnet.Units(n, style.normalized, True, settings)
    tops = resnet.trunk(units, data, depth, style, dilated=True)
    if auxiliary:
        dilated.auxiliary_head(n, settings, tops[4], data, classes, older_head)
    heads = dilated.head_units(n, settings)
    scores = dilated.head(heads, "head", tops[5], 512, classes, older_head)
    dilated.enlarge(n, scores, data, classes, learned)


# GluonCV's first stage, on SBD's images too; four times four images per update.
_RECIPE = segmentation_recipe(
    0.001, _ITERATIONS, tests=1449, every=_PASS, **poly(), iter_size=4, weight_decay=0.0001
)

NETWORKS = tuple(
    dilated.published("fcn_resnet", "FCN-ResNet", fcn, depth, 21, _RECIPE, size=(480, 480))
    for depth in (50, 101)
)
