"""ResNet-18 to -152 of torchvision, timm and GluonCV, and the FCNs on dilated ResNets.

A stage's stride is in its first 3x3 convolution. Layers are named as in the authors' caffemodels
and in this project's FCN-ResNets. The stem is one convolution of 7x7, or three of 3x3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caffeformat import InputError
from caffeformat import layers as L
from fcnkit.nets import interpolation_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caffeformat.messages import Top

    from .builder import NetBuilder

# The FCN's stages 3 and 4 are dilated by these factors instead of strided (first blocks by half).
DILATIONS = {3: 2, 4: 4}
_STRIDE = 8


def classifier(b: NetBuilder) -> None:
    """Add the layers of a classifier to the `NetBuilder` `b`."""
    b.inner_product("fc1000", "fc", b.global_pooling("pool5", trunk(b)))


def fcn(b: NetBuilder) -> None:
    """Add the layers of torchvision's `fcn_resnet50` or `fcn_resnet101`, up to `score`.

    torchvision resizes its scores bilinearly, with pixels as areas (`align_corners=False`). A
    Deconvolution does the same within the image; in the outermost 4 pixels, where scores are
    missing on one side, the scores of all classes shrink by the same factor, and the class stays
    the same.
    """
    height, width = b.size(b.n.data)
    if height % _STRIDE or width % _STRIDE:
        raise InputError(
            f"an input of {height} x {width}: scores are enlarged by {_STRIDE}; choose multiples "
            f"of {_STRIDE} as height and width"
        )
    _enlarge(b, head(b, "classifier", trunk(b, "backbone.", DILATIONS)))


def head(b: NetBuilder, prefix: str, bottom: Top) -> Top:
    """Add a head of two convolutions from the Sequential `prefix`; returns its scores."""
    top = b.convolution("head_conv", f"{prefix}.0", bottom)
    top = b.batch_norm("head_conv_bn", "head_conv_scale", f"{prefix}.1", top)
    top = b.dropout("head_drop", b.relu("head_conv_relu", top), 0.1)
    return b.convolution("head_score", f"{prefix}.4", top)


def _enlarge(b: NetBuilder, scores: Top) -> None:
    classes, kernel = b.channels[scores], 2 * _STRIDE
    b.n.upscore = L.Deconvolution(
        scores,
        param=[{"lr_mult": 0}],
        convolution_param={
            "num_output": classes,
            "group": classes,
            "bias_term": False,
            "kernel_size": kernel,
            "stride": _STRIDE,
            "pad": _STRIDE // 2,
        },
    )
    b.weights["upscore"] = [interpolation_weights((classes, 1, kernel, kernel)).astype(np.float32)]
    b.weights.types["upscore"] = "Deconvolution"
    b.n.score = L.Crop(b.n.upscore, b.n.data, axis=2, offset=0)


def _stem(b: NetBuilder, prefix: str) -> Top:
    """Add the convolutions before the first pooling: one, or three as the Sequential `conv1`."""
    if f"{prefix}conv1.0.weight" not in b.tensors:
        top = _normalized(b, "conv1", f"{prefix}conv1", f"{prefix}bn1", b.n.data, stride=2)
        return b.relu("conv1_relu", top)
    top = b.n.data
    for number, (index, norm) in enumerate(((0, "conv1.1"), (3, "conv1.4"), (6, "bn1")), 1):
        name, stride = f"conv1_{number}", 2 if number == 1 else 1
        top = _normalized(b, name, f"{prefix}conv1.{index}", f"{prefix}{norm}", top, stride)
        top = b.relu(f"{name}_relu", top)
    return top


def trunk(b: NetBuilder, prefix: str = "", dilations: Mapping[int, int] | None = None) -> Top:
    """Add conv1 to the last block; `dilations` maps stages (from 1) to their dilation."""
    dilations = dilations or {}
    top = b.max_pooling("pool1", _stem(b, prefix), 3, 2, pad=1)
    depths: list[int] = []
    while len(depths) < 4 and f"{prefix}layer{len(depths) + 1}.0.conv1.weight" in b.tensors:
        stage, blocks = len(depths) + 1, 0
        while f"{prefix}layer{stage}.{blocks}.conv1.weight" in b.tensors:
            blocks += 1
        depths.append(blocks)
    for stage, blocks in enumerate(depths, 1):
        for block in range(blocks):
            # In nets too deep for letters, the authors number the blocks of stages 2 and 3.
            numbered = blocks > 8 or (max(depths) > 8 and stage in (2, 3))
            letter = (f"b{block}" if block else "a") if numbered else "abcdefgh"[block]
            stride, dilation = (2 if stage > 1 and block == 0 else 1), 1
            if stage in dilations:
                stride, dilation = 1, dilations[stage] // (1 if block else 2)
            name, source = f"res{stage + 1}{letter}", f"{prefix}layer{stage}.{block}"
            top = _block(b, name, source, top, stride, dilation)
    return top


def _block(b: NetBuilder, name: str, prefix: str, bottom: Top, stride: int, dilation: int) -> Top:
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, beside a shortcut."""
    shortcut = bottom
    if f"{prefix}.downsample.0.weight" in b.tensors:
        shortcut = _normalized(
            b, f"{name}_branch1", f"{prefix}.downsample.0", f"{prefix}.downsample.1", bottom, stride
        )
    count = 3 if f"{prefix}.conv3.weight" in b.tensors else 2
    if count == 2 and dilation > 1:
        raise InputError(
            f"{prefix} has two convolutions, found in a dilated network: expected three, since it "
            "is not known which of two are dilated; networks on ResNet-18 and -34 are not supported"
        )
    top = bottom
    for number in range(1, count + 1):
        branch = f"{name}_branch2{'abc'[number - 1]}"
        source, norm = f"{prefix}.conv{number}", f"{prefix}.bn{number}"
        if number == count - 1:
            grouped = count == 3
            top = _normalized(b, branch, source, norm, top, stride, dilation, grouped)
        else:
            top = _normalized(b, branch, source, norm, top)
        if number < count:
            top = b.relu(f"{branch}_relu", top)
    if b.channels[shortcut] != b.channels[top]:
        raise InputError(
            f"{prefix}.conv{count}.weight has {b.channels[top]} outputs: expected "
            f"{b.channels[shortcut]}, to which they are added; the file is damaged, or its network "
            "was changed"
        )
    b.n[name] = summed = L.Eltwise(shortcut, top)
    b.channels[summed] = b.channels[top]
    return b.relu(f"{name}_relu", summed)


def _normalized(
    b: NetBuilder,
    name: str,
    prefix: str,
    norm_prefix: str,
    bottom: Top,
    stride: int = 1,
    dilation: int = 1,
    grouped: bool = False,
) -> Top:
    """Add a convolution with BatchNorm and Scale."""
    suffix = name[3:] if name.startswith("res") else f"_{name}"
    top = b.convolution(name, prefix, bottom, stride, dilation=dilation, may_be_grouped=grouped)
    return b.batch_norm(f"bn{suffix}", f"scale{suffix}", norm_prefix, top)
