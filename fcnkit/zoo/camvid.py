"""A small FCN with batch normalization for CamVid's street scenes, trained from scratch on a CPU.

It reaches stride 8 early, so that convolutions are cheap; dilated ones then see most of the image.
Two skips recover what the strides lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import FIXED, WEIGHT_AND_BIAS
from .recipes import poly, segmentation_recipe
from .segmentation import Segmentation

if TYPE_CHECKING:
    from caffeformat import NetSpec
    from caffeformat.messages import Top

_SCORE_FILLER = {"weight_filler": {"type": "gaussian", "std": 0.01}}
_STAGE3_DILATIONS = (1, 2, 4, 8, 16)


def _normalized(
    n: NetSpec,
    name: str,
    bottom: Top,
    channels: int,
    kernel: int,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> Top:
    """Add convolution, BatchNorm, Scale and ReLU, the last three in place; returns the top."""
    n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=kernel,
        stride=stride,
        pad=dilation * (kernel // 2),
        dilation=dilation,
        bias_term=False,
        weight_filler={"type": "msra"},
        param=WEIGHT_AND_BIAS[:1],
    )
    n[f"{name}_bn"] = L.BatchNorm(
        n.tops[name], batch_norm_param={"moving_average_fraction": 0.99}, in_place=True
    )
    n[f"{name}_scale"] = top = L.Scale(n.tops[f"{name}_bn"], bias_term=True, in_place=True)
    if relu:
        n[f"{name}_relu"] = top = L.ReLU(top, in_place=True)
    return top


def _doubled(n: NetSpec, name: str, bottom: Top, channels: int) -> Top:
    """Add a fixed bilinear enlargement by 2; returns its top.

    Padded convolutions with odd kernels and stride 2 keep every second pixel, so a kernel of 3 puts
    each value back where it came from; one of 4, as after pooling, would be off by half a pixel.
    """
    n[name] = L.Deconvolution(
        bottom,
        param=FIXED,
        convolution_param={
            "num_output": channels,
            "group": channels,
            "bias_term": False,
            "kernel_size": 3,
            "stride": 2,
            "weight_filler": {"type": "bilinear"},
        },
    )
    return n.tops[name]


def _score(n: NetSpec, name: str, bottom: Top, classes: int) -> Top:
    n[name] = L.Convolution(
        bottom, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS, **_SCORE_FILLER
    )
    return n.tops[name]


def _fused(n: NetSpec, name: str, coarse: Top, fine: Top) -> Top:
    """Add `coarse`, cropped to the size of `fine`, plus `fine`; returns the sum."""
    n[f"{name}_crop"] = cropped = L.Crop(coarse, fine, axis=2)
    n[name] = L.Eltwise(cropped, fine, operation=P.Eltwise.SUM)
    return n.tops[name]


def fcn(n: NetSpec, data: Top, classes: int, widths: tuple[int, int, int] = (24, 48, 96)) -> Top:
    """Add the network to `n` on top of `data` (N x 3 x H x W, BGR, 0..255); returns `score`.

    widths: channels at strides 2, 4 and 8. The last top is `score`, N x classes x H x W.
    """
    first, second, third = widths
    # (x - 104) / 60: about zero mean and unit variance on street scenes.
    n.shifted = top = L.Power(data, name="shift", scale=1 / 60, shift=-104 / 60)
    stride2 = _normalized(n, "conv1", top, first, kernel=5, stride=2)
    top = _normalized(n, "conv2_1", stride2, second, kernel=3, stride=2)
    stride4 = _normalized(n, "conv2_2", top, second, kernel=3)
    top = _normalized(n, "conv3_1", stride4, third, kernel=3, stride=2)
    for number, dilation in enumerate(_STAGE3_DILATIONS, 2):
        top = _normalized(n, f"conv3_{number}", top, third, kernel=3, dilation=dilation)
    coarse = _normalized(n, "reduce8", top, second, kernel=1, relu=False)
    fine = _normalized(n, "reduce4", stride4, second, kernel=1, relu=False)
    fused = _fused(n, "fuse4", _doubled(n, "up8", coarse, second), fine)
    n.fuse4_relu = top = L.ReLU(fused, in_place=True)
    top = _normalized(n, "conv4", top, second, kernel=3)
    top = _doubled(n, "up4", _score(n, "score4", top, classes), classes)
    top = _fused(n, "fuse2", top, _score(n, "score2", stride2, classes))
    n.score = top = L.Crop(_doubled(n, "up2", top, classes), data, axis=2)
    return top


# For train's options `--augment crop=240x320 flip=yes`; test_iter is for 101 images.
_RECIPE = segmentation_recipe(
    0.05, 2000, tests=101, every=2000, **poly(), display=50, snapshot=1000
)

NETWORKS = (
    Segmentation(
        "fcn_camvid", "FCN-CamVid", fcn, 11, _RECIPE, size=(360, 480), batch_size=4, mean=()
    ),
)
