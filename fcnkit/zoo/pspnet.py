"""PSPNet-50 and -101, and the classifiers with a stem of three convolutions they start from.

Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network (CVPR 2017), with the names of the published
networks. Those have BatchNorm layers of a type of their own; here they are Caffe's BatchNorm and
Scale, `<convolution>/bn` and `<convolution>/scale`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import InputError, infer_shapes
from caffeformat import layers as L
from caffeformat import params as P

from . import dilated, resnet
from .recipes import poly, segmentation_recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    from .classification import Classifier

# Subtracted from the input, BGR.
MEAN = (103.939, 116.779, 123.68)

# Averages over 6 x 6, 3 x 3, 2 x 2 parts of the features and over all of them, and their channels.
_BINS = (6, 3, 2, 1)
_BIN_CHANNELS = 512

_FEATURES = "conv5_3"


def _part_windows(size: Sequence[int], bins: int) -> dict[str, Any]:
    """Pooling parameters that divide features of `size` (height, width) into bins x bins parts.

    Where the parts cannot be equal they overlap, so that their number is exact.
    """
    if bins == 1:
        return {"global_pooling": True}
    strides = [pixels // bins for pixels in size]
    kernels = [pixels - (bins - 1) * stride for pixels, stride in zip(size, strides)]
    if size[0] == size[1]:
        return {"kernel_size": kernels[0], "stride": strides[0]}
    return {
        "kernel_h": kernels[0],
        "kernel_w": kernels[1],
        "stride_h": strides[0],
        "stride_w": strides[1],
    }


def _pyramid(n: NetSpec, units: resnet.Units, features: Top) -> Top:
    """Add the averages over parts of `features`, resized to it; returns them all concatenated."""
    size = tuple(infer_shapes(n.to_proto())[_FEATURES][2:])
    if min(size) < max(_BINS):
        raise InputError(
            f"PSPNet's features are {size[0]} x {size[1]} and cannot be divided into {max(_BINS)} "
            f"parts along an axis; pass a size of at least {8 * max(_BINS) - 7} pixels"
        )
    parts = [features]
    for bins in _BINS:
        name = f"{_FEATURES}_pool{bins}"
        windows = _part_windows(size, bins)
        top = units.add(name, L.Pooling(features, pool=P.Pooling.AVE, **windows))
        top = units(f"{name}_conv", top, _BIN_CHANNELS, 1, bias_term=False)
        parts.append(units.add(f"{name}_interp", L.Interp(top, features)))
    return units.add(f"{_FEATURES}_concat", L.Concat(*parts))


def pspnet(
    n: NetSpec,
    data: Top,
    classes: int,
    depth: int,
    learned: bool = False,
    auxiliary: bool = False,
    frozen: bool = False,
) -> None:
    """Add PSPNet to `n` on top of `data`; `depth` is 50 or 101.

    The pyramid's windows are those for the size of `data`; they divide images of other sizes into
    more or fewer parts. learned: learned upsampling instead of resizing; auxiliary: a second head,
    on stage 4; frozen: BatchNorm keeps to stored statistics in training, for small batches.
    """
    style, settings = resnet.PSPNET, dilated.batch_norm(0.95, frozen)
    units = resnet.Units(n, style.normalized, True, settings)
    tops = resnet.trunk(units, data, depth, style, dilated=True)
    if auxiliary:
        dilated.auxiliary_head(n, settings, tops[4], data, classes)
    fast = resnet.Units(n, style.normalized, True, settings, dilated.HEAD_RATE)
    top = fast("conv5_4", _pyramid(n, fast, tops[5]), 512, 3, pad=1, bias_term=False)
    n["conv5_4/dropout"] = top = L.Dropout(top, dropout_ratio=0.1, in_place=True)
    rates = [{"lr_mult": dilated.HEAD_RATE}, {"lr_mult": 2 * dilated.HEAD_RATE}]
    n.conv6 = top = L.Convolution(
        top, num_output=classes, kernel_size=1, param=rates, **fast.filled
    )
    dilated.enlarge(n, top, data, classes, learned)


def _segmentation(
    depth: int, classes: int, max_iter: int, tests: int
) -> dilated.DilatedSegmentation:
    # The paper's recipe; four times four images per update.
    recipe = segmentation_recipe(
        0.01, max_iter, tests, every=5000, **poly(), iter_size=4, weight_decay=0.0001
    )
    form = {"size": (473, 473), "mean": MEAN, "auxiliary": True, "auxiliary_weight": 0.4}
    return dilated.published("pspnet", "PSPNet", pspnet, depth, classes, recipe, **form)


NETWORKS: tuple[Classifier | dilated.DilatedSegmentation, ...] = (
    *(
        resnet.published(f"pspnet_resnet_{depth}", f"PSPNet-ResNet-{depth}", depth, resnet.PSPNET)
        for depth in (50, 101)
    ),
    # As published for ADE20K
    _segmentation(50, classes=150, max_iter=150000, tests=2000),
    # As published for PASCAL VOC
    _segmentation(101, classes=21, max_iter=30000, tests=1449),
)
