"""VGG-16: the classifiers, the fully convolutional trunk, and FCN-32s, 16s and 8s heads on it.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation (CVPR 2015, PAMI
2016). A head may have a suffix, so that one trunk carries several (`_sem`, `_geo`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import FIXED, WEIGHT_AND_BIAS, score, upsampling
from .classification import Classifier
from .recipes import classifier_recipe, segmentation_recipe, steps
from .segmentation import Segmentation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Callable

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    # Adds a layer's top under a name; returns it.
    Add = Callable[[str, Top], Top]
    Fields = Mapping[str, Any]

# Convolutions of each of the five stages, and their channels.
_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_FC_CHANNELS = 4096

_BILINEAR = {"type": "bilinear"}

# What brings the skips' features down to the scale of the scores, which matters when all streams
# are trained at once.
_AT_ONCE_SCALES = {"pool4": 0.01, "pool3": 0.0001}


def _stages(
    add: Add,
    data: Top,
    pad: int,
    first: str = "conv1_1",
    batch_norm: Fields | None = None,
    width: float = 1,
    **settings: Any,
) -> Top:
    """Add the thirteen convolutions and the poolings between them; returns pool5.

    pad: pixels of padding for the first convolution; first: its name.
    """
    top = data
    for stage, (count, channels) in enumerate(_STAGES, 1):
        outputs = _scaled(channels, width)
        for index in range(1, count + 1):
            opening = (stage, index) == (1, 1)
            name = first if opening else f"conv{stage}_{index}"
            made = _convolution(top, outputs, 3, pad if opening else 1, **settings)
            top = _activated(add, name, f"{stage}_{index}", made, batch_norm)
        top = add(f"pool{stage}", L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2))
    return top


def _activated(
    add: Add, name: str, index: int | str, made: Top, batch_norm: Fields | None = None
) -> Top:
    """Add the layer `made` under `name`, then BatchNorm and Scale if any, then ReLU; returns that.

    batch_norm: fields of the BatchNorm's parameters, or None for no BatchNorm.
    """
    top = add(name, made)
    if batch_norm is not None:
        top = add(f"bn{index}", L.BatchNorm(top, in_place=True, **batch_norm))
        top = add(f"scale{index}", L.Scale(top, bias_term=True, in_place=True))
    return add(f"relu{index}", L.ReLU(top, in_place=True))


def _fully_connected(add: Add, index: int, made: Top, batch_norm: Fields | None = None) -> Top:
    """Add fc6 or fc7, `made`, and what follows it: dropout, unless it is normalized."""
    top = _activated(add, f"fc{index}", index, made, batch_norm)
    if batch_norm is not None:
        return top
    return add(f"drop{index}", L.Dropout(top, dropout_ratio=0.5, in_place=True))


def _convolution(bottom: Top, outputs: int, kernel: int, pad: int, **settings: Any) -> Top:
    blobs = 2 if settings.get("bias_term", True) else 1
    return L.Convolution(
        bottom,
        num_output=outputs,
        pad=pad,
        kernel_size=kernel,
        stride=1,
        param=WEIGHT_AND_BIAS[:blobs],
        **settings,
    )


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def fcn_trunk(
    n: NetSpec,
    data: Top,
    suffix: str = "",
    first: str = "conv1_1",
    width: float = 1,
    batch_norm: Fields | None = None,
    pad: int = 100,
) -> dict[str, Top]:
    """Add conv1_1 to drop7 to `n` on top of `data`; returns {layer: top}.

    suffix: ends every name; first: name of the first convolution, other than conv1_1 where its
    input is not colour, so that weights of three channels are not copied into it; width: multiplies
    the channels of every convolution; batch_norm: fields of BatchNorm's parameters, for such a
    layer after each convolution instead of dropout; pad: padding for the first convolution. At 100,
    `fc6` has windows to read at the border of any image; at any other value `fc6` is padded to keep
    the size of its bottom instead.
    """
    tops = {}

    def add(name: str, made: Top) -> Top:
        n[name + suffix] = tops[name] = made
        return made

    top = _stages(add, data, pad, first, batch_norm, width)
    for index, kernel in ((6, 7), (7, 1)):
        own_pad = 0 if pad == 100 else kernel // 2
        made = _convolution(top, _scaled(_FC_CHANNELS, width), kernel, own_pad)
        top = _fully_connected(add, index, made, batch_norm)
    tops["drop7"] = top
    return tops


def classifier(n: NetSpec, data: Top, classes: int, fillers: bool, normalized: bool = False) -> Top:
    """Add conv1_1 to fc8 of VGG-16 to `n` on top of `data`; returns fc8.

    Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition (ICLR
    2015). fillers: whether layers name their fillers, which only training from scratch needs;
    normalized: BatchNorm after each convolution.
    """
    # The authors started the deep nets from shallower ones; He et al.'s filler makes that needless.
    filled: dict[str, Any] = {"weight_filler": {"type": "msra"}} if fillers else {}

    def add(name: str, made: Top) -> Top:
        n[name] = made
        return made

    top = _stages(add, data, 1, batch_norm={} if normalized else None, **filled)
    for index in (6, 7):
        made = L.InnerProduct(top, num_output=_FC_CHANNELS, param=WEIGHT_AND_BIAS, **filled)
        top = _fully_connected(add, index, made)
    return add("fc8", L.InnerProduct(top, num_output=classes, param=WEIGHT_AND_BIAS, **filled))


def fcn_head(
    n: NetSpec,
    tops: Mapping[str, Top],
    image: Top,
    classes: int,
    stride: int,
    suffix: str = "",
    at_once: bool = False,
    learned: bool = False,
) -> None:
    """Add the layers from `tops` (see `fcn_trunk`) to `score` at the size of `image` to `n`.

    stride: 32, 16 or 8, the stride of the finest scores; at_once: scale the skips' features, for
    training all streams together; learned: let the upsampling learn instead of staying bilinear.
    """
    n[f"score_fr{suffix}"] = top = score(tops["drop7"], classes)
    enlarged = "upscore2"
    for skip in {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]:
        n[enlarged + suffix] = top = upsampling(top, classes, 2, learned=learned)
        features = tops[skip]
        if at_once:
            n[f"scale_{skip}{suffix}"] = features = L.Scale(
                features,
                filler={"type": "constant", "value": _AT_ONCE_SCALES[skip]},
                param=FIXED,
            )
        n[f"score_{skip}{suffix}"] = skipped = score(features, classes)
        n[f"score_{skip}{suffix}c"] = cropped = L.Crop(skipped, top, axis=2)
        n[f"fuse_{skip}{suffix}"] = top = L.Eltwise(top, cropped, operation=P.Eltwise.SUM)
        enlarged = f"upscore_{skip}"
    last = "upscore" if stride == 32 else f"upscore{stride}"
    n[last + suffix] = top = upsampling(top, classes, stride, learned=learned)
    n[f"score{suffix}"] = L.Crop(top, image, axis=2)


def fcn8s_same_padding(
    n: NetSpec, data: Top, classes: int, learned: bool = True, bias: bool = False
) -> None:
    """Add FCN-8s with BatchNorm and without Crop, conv1_1 to `score`, to `n`.

    Every convolution is padded to keep its size, and every upsampling to be as large as the
    features it is added to, so the sides of images must be multiples of 32. learned: let the
    upsampling mix the classes and learn from xavier weights, instead of staying bilinear; bias:
    give the convolutions before BatchNorm biases, for weights that have them.
    """
    xavier: dict[str, Any] = {"weight_filler": {"type": "xavier"}}
    settings = {"bias_term": bias, **xavier}

    def add(name: str, made: Top) -> Top:
        n[name] = made
        return made

    def enlarged(name: str, bottom: Top, factor: int) -> Top:
        free = {"group": 1, **xavier} if learned else {"group": classes, "weight_filler": _BILINEAR}
        made = upsampling(bottom, classes, factor, learned=learned, pad=factor // 2, **free)
        return add(name, made)

    def scored(name: str, bottom: Top) -> Top:
        return add(name, score(bottom, classes, **xavier))

    top = _stages(add, data, 1, batch_norm={}, **settings)
    for index, kernel in ((6, 7), (7, 1)):
        made = _convolution(top, _FC_CHANNELS, kernel, kernel // 2, **settings)
        top = _activated(add, f"fc{index}", index, made, batch_norm={})
    top = scored("score_fr", top)
    name = "upscore2"
    for skip in ("pool4", "pool3"):
        top = enlarged(name, top, 2)
        skipped = scored(f"score_{skip}", n.tops[skip])
        top = add(f"fuse_{skip}", L.Eltwise(top, skipped, operation=P.Eltwise.SUM))
        name = f"upscore_{skip}"
    enlarged("score", top, 8)


# The paper's recipe, whose rate fell three times, whenever the validation error stopped falling.
_RECIPE = classifier_recipe(
    0.01, 370000, tests=1000, every=1000, **steps(100000), iter_size=4, weight_decay=0.0005
)

# torchvision's recipe: 90 passes over ImageNet's 1,281,167 images, 256 at a time.
_NORMALIZED_RECIPE = classifier_recipe(
    0.01, 450000, tests=1000, every=5000, **steps(150000), iter_size=4, weight_decay=0.0001
)

_TUTORIAL_RECIPE = segmentation_recipe(0.05, 132250, tests=1449, every=2645, weight_decay=0.0001)

NETWORKS = (
    Classifier("vgg16", "VGG_ILSVRC_16_layers", classifier, _RECIPE, batch_sizes=(64, 50)),
    # With BatchNorm after each convolution, as torchvision has it
    Classifier(
        "vgg16_bn",
        "VGG_16_BN",
        partial(classifier, normalized=True),
        _NORMALIZED_RECIPE,
        batch_sizes=(64, 50),
    ),
    # MindSpore's tutorial. It divides by 57.375, 57.120 and 58.395; Caffe has one factor for all
    # channels.
    Segmentation(
        "fcn8s_vgg16_bn",
        "FCN8s-VGG16-BN",
        fcn8s_same_padding,
        21,
        _TUTORIAL_RECIPE,
        size=(512, 512),
        batch_size=4,
        mean=(103.53, 116.28, 123.675),
        scale=0.01735,
    ),
)
