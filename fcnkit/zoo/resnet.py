"""ResNet-50 and -101: the classifiers, and the trunks of the dilated networks on them.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (CVPR 2016). A `Style` describes
how the published weights name their layers, and which form of the network they are for: in a
stage's first block, the authors halve the image in the first 1x1 convolution, others in the 3x3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import layers as L
from caffeformat import params as P

from .classification import Classifier
from .recipes import classifier_recipe, steps

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Callable

    from caffeformat import NetSpec
    from caffeformat.messages import Top

    # Name of a convolution -> names of its BatchNorm, Scale and ReLU.
    Names = Callable[[str], tuple[str, str, str]]

# Blocks of the four stages res2 to res5.
_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


@dataclass(frozen=True)
class Style:
    """How a ResNet is built and named.

    block: from stage, index and depth to a block's name; branches: what the names of the shortcut
    and the three convolutions append to it; normalized: from a convolution's name to those of its
    BatchNorm, Scale and ReLU; stem: adds the layers up to stride 4, from data and depth;
    stride_in_3x3: whether a stage's first block halves the image in its 3x3 convolution.
    """

    block: Callable[[int, int, int], str]
    branches: tuple[str, str, str, str]
    normalized: Names
    stem: Callable[[Units, Top, int], Top]
    stride_in_3x3: bool


def _authors_block(stage: int, index: int, depth: int) -> str:
    """res2a, res2b, ... ; in the long stages of the 101-layer net res3a, res3b1, res3b2, ..."""
    if depth == 101 and stage in (3, 4):
        return f"res{stage}b{index}" if index else f"res{stage}a"
    return f"res{stage}{'abcdefgh'[index]}"


def _authors_normalized(name: str) -> tuple[str, str, str]:
    suffix = name[3:] if name.startswith("res") else f"_{name}"
    return f"bn{suffix}", f"scale{suffix}", f"{name}_relu"


def _authors_stem(units: Units, data: Top, depth: int, **pooling: Any) -> Top:
    # The authors' 50-layer weights have a bias in conv1, although BatchNorm cancels it.
    bias = {} if depth == 50 else {"bias_term": False}
    top = units("conv1", data, 64, 7, pad=3, stride=2, **bias)
    return units.add("pool1", _max_pooling(top, **pooling))


def _padded_stem(units: Units, data: Top, depth: int) -> Top:
    return _authors_stem(units, data, depth, pad=1, round_mode=P.Pooling.FLOOR)


def _max_pooling(bottom: Top, **settings: Any) -> Top:
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2, **settings)


_BRANCHES = ("_branch1", "_branch2a", "_branch2b", "_branch2c")

AUTHORS = Style(_authors_block, _BRANCHES, _authors_normalized, _authors_stem, False)

# torchvision's form, and GluonCV's v1b, with the authors' names.
V1B = Style(_authors_block, _BRANCHES, _authors_normalized, _padded_stem, True)


def _deep_stem(units: Units, data: Top, depth: int) -> Top:
    top = data
    for name, outputs, stride in (("1_3x3_s2", 64, 2), ("2_3x3", 64, 1), ("3_3x3", 128, 1)):
        top = units(f"conv1_{name}", top, outputs, 3, pad=1, stride=stride, bias_term=False)
    return units.add("pool1_3x3_s2", _max_pooling(top, pad=1))


# PSPNet's form: three 3x3 convolutions where the authors have one of 7x7.
PSPNET = Style(
    block=lambda stage, index, depth: f"conv{stage}_{index + 1}",
    branches=("_1x1_proj", "_1x1_reduce", "_3x3", "_1x1_increase"),
    normalized=lambda name: (f"{name}/bn", f"{name}/scale", f"{name}/relu"),
    stem=_deep_stem,
    stride_in_3x3=False,
)


class Units:
    """Adds convolutions to a NetSpec, each followed by BatchNorm, Scale and, unless off, ReLU.

    normalized: as in `Style`; filled: whether convolutions name He et al.'s filler; batch_norm:
    settings of every BatchNorm; rate: multiplies the learning rate.
    """

    def __init__(
        self,
        n: NetSpec,
        normalized: Names,
        filled: bool,
        batch_norm: Mapping[str, Any] | None = None,
        rate: float = 1,
    ) -> None:
        self.n, self.names, self.batch_norm = n, normalized, batch_norm or {}
        self.filled: dict[str, Any] = {"weight_filler": {"type": "msra"}} if filled else {}
        self._rates = [] if rate == 1 else [{"lr_mult": rate}]

    def add(self, name: str, made: Top) -> Top:
        """Add the layer `made` under `name`; returns its top."""
        self.n[name] = made
        return made

    def __call__(
        self,
        name: str,
        bottom: Top,
        outputs: int,
        kernel: int,
        relu: bool = True,
        **settings: Any,
    ) -> Top:
        """Add a convolution called `name` and what follows it; returns the last top."""
        settings = {"num_output": outputs, "kernel_size": kernel, **settings, **self.filled}
        made = L.Convolution(bottom, param=self._rates, **settings)
        top = self.normalize(name, self.add(name, made))
        return self.add(self.names(name)[2], L.ReLU(top, in_place=True)) if relu else top

    def normalize(self, name: str, bottom: Top, in_place: bool = True) -> Top:
        """Add the BatchNorm and Scale that belong to the layer `name`; returns the Scale's top."""
        norm, scale, _ = self.names(name)
        top = self.add(norm, L.BatchNorm(bottom, in_place=in_place, **self.batch_norm))
        scaled = L.Scale(top, bias_term=True, in_place=True, param=2 * self._rates)
        return self.add(scale, scaled)


def trunk(
    units: Units, data: Top, depth: int, style: Style, dilated: bool = False
) -> dict[int, Top]:
    """Add everything up to the last block; returns {stage: top}, stages 2 to 5.

    depth: 50 or 101; dilated: keep stages 4 and 5 at stride 8, and dilate their convolutions as
    much as the strides would have, so that every 4th value of stage 5 along an axis is the
    classifier's.
    """
    top, tops = style.stem(units, data, depth), {}
    dilation = 1
    for stage, blocks in enumerate(_DEPTHS[depth], 2):
        for index in range(blocks):
            stride, before = (2 if index == 0 and stage > 2 else 1), dilation
            if dilated and stage > 3 and stride == 2:
                stride, dilation = 1, 2 * dilation
            # A 3x3 convolution that used to halve still reads its bottom at the old dilation.
            spread = before if style.stride_in_3x3 else dilation
            name = style.block(stage, index, depth)
            width = 64 << (stage - 2)
            top = _bottleneck(units, style, top, name, width, stride, spread, index == 0)
        tops[stage] = top
    return tops


def _bottleneck(
    units: Units,
    style: Style,
    bottom: Top,
    name: str,
    width: int,
    stride: int,
    dilation: int,
    first: bool,
) -> Top:
    """Add a residual block: 1x1, 3x3 and 1x1 convolutions beside a shortcut; returns its top."""
    shortcut_name, *names = [name + branch for branch in style.branches]
    strides = (1, stride, 1) if style.stride_in_3x3 else (stride, 1, 1)
    plain: dict[str, Any] = {"bias_term": False, "pad": 0}
    spread: dict[str, Any] = {"bias_term": False, "pad": dilation}
    if dilation > 1:
        spread["dilation"] = dilation
    shortcut = bottom
    if first:
        shortcut = units(shortcut_name, bottom, 4 * width, 1, relu=False, stride=stride, **plain)
    top = units(names[0], bottom, width, 1, stride=strides[0], **plain)
    top = units(names[1], top, width, 3, stride=strides[1], **spread)
    top = units(names[2], top, 4 * width, 1, relu=False, stride=strides[2], **plain)
    summed = units.add(name, L.Eltwise(shortcut, top))
    return units.add(style.normalized(name)[2], L.ReLU(summed, in_place=True))


def classifier(
    n: NetSpec, data: Top, classes: int, fillers: bool, depth: int, style: Style = AUTHORS
) -> Top:
    """Add all layers up to fc1000 to `n` on top of `data`; returns fc1000.

    fillers: for training from scratch, layers name their fillers and normalize by their batch;
    without, BatchNorm keeps to stored statistics in training too; depth: 50 or 101.
    """
    units = Units(n, style.normalized, fillers, {} if fillers else {"use_global_stats": True})
    top = trunk(units, data, depth, style)[5]
    n.pool5 = top = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n.fc1000 = top = L.InnerProduct(top, num_output=classes, **units.filled)
    return top


# The paper's recipe: 256 images per update (eight of 32), the rate cut as errors level off.
_RECIPE = classifier_recipe(
    0.1,
    600000,
    tests=2000,
    every=5000,
    **steps(150000, 300000),
    iter_size=8,
    weight_decay=0.0001,
)


def published(name: str, title: str, depth: int, style: Style = AUTHORS) -> Classifier:
    """The classifier of `depth` layers, as trained on ImageNet."""
    build = partial(classifier, depth=depth, style=style)
    return Classifier(name, title, build, _RECIPE, batch_sizes=(32, 25), crops=1)


NETWORKS = tuple(published(f"resnet_{depth}", f"ResNet-{depth}", depth) for depth in (50, 101))
