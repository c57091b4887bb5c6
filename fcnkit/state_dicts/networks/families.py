"""Families of networks whose state dicts are known, by their module names.

Each family reads the depth of a net from the names, so that ResNet-18 to -152 (also wide and
grouped ones) and VGG-11 to -19, with or without BatchNorm, need no code of their own. Layers are
named as in the public caffemodels of these nets.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from caffeformat import InputError
from caffeformat import layers as L

from . import gluoncv, mindspore_fcn8s, resnet
from .builder import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from caffeformat.messages import Top

    from .builder import NetBuilder

    Tensors = Mapping[str, NDArray[Any]]
    Colour = tuple[float, float, float]

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# torchvision's published GoogLeNet reads images from -1 to 1 (its `transform_input`).
_SYMMETRIC = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Family:
    """A family of networks, and how it is built.

    Attributes: `name`; `mark`, the pattern of a tensor's name that only this family has;
    `build(builder)`; `mean` and `std` of its input, RGB from 0 to 1; `training_only`, the pattern
    of tensors that inference does not need; `size`, height and width of its input; `reads_bgr`,
    whether its input's channels have Caffe's order.
    """

    def __init__(
        self,
        name: str,
        mark: str,
        build: Callable[[NetBuilder], None],
        normalization: tuple[Colour, Colour] = _IMAGENET,
        training_only: str = "$^",
        size: tuple[int, int] = (224, 224),
        reads_bgr: bool = False,
    ) -> None:
        self.name, self.build, self.size, self.reads_bgr = name, build, size, reads_bgr
        self.mark, self.training_only = re.compile(mark), re.compile(training_only)
        self.mean, self.std = normalization


def find_family(tensors: Iterable[str]) -> Family:
    """Find the `Family` of a state dict by its names; raises `InputError` where none fits."""
    for family in _FAMILIES:
        if any(family.mark.fullmatch(name) for name in tensors):
            return family
    raise InputError(
        f"an unknown network: its tensors are {', '.join(list(tensors)[:6])}, ...; known are "
        f"{', '.join(family.name for family in _FAMILIES)}, with the names of torchvision, timm, "
        "GluonCV's save_parameters and MindSpore's tutorial"
    )


def _alexnet(b: NetBuilder) -> None:
    """torchvision's AlexNet (Krizhevsky: One weird trick, 2014): no groups, no normalization."""
    top = b.n.data
    steps = _convolutions(b.tensors)
    for number, (index, _, pooled) in enumerate(steps, 1):
        stride, pad = (4, 2) if number == 1 else (1, None)
        top = b.convolution(f"conv{number}", f"features.{index}", top, stride, pad)
        top = b.relu(f"relu{number}", top)
        if pooled:
            top = b.max_pooling(f"pool{number}", top, 3, 2)
    top = _pool_to_weights(b, top, "classifier.1")
    for number, index in ((6, 1), (7, 4)):
        top = b.dropout(f"drop{number}", top)
        top = b.inner_product(f"fc{number}", f"classifier.{index}", top)
        top = b.relu(f"relu{number}", top)
    b.inner_product("fc8", "classifier.6", top)


def _vgg(b: NetBuilder) -> None:
    """VGG-11 to -19 (Simonyan, Zisserman 2015), with or without BatchNorm."""
    timm = "pre_logits.fc1.weight" in b.tensors
    prefixes = ["pre_logits.fc1", "pre_logits.fc2", "head.fc"]
    if not timm:
        prefixes = ["classifier.0", "classifier.3", "classifier.6"]
    top, stage, position = b.n.data, 1, 1
    for index, normalized, pooled in _convolutions(b.tensors):
        name = f"{stage}_{position}"
        top = b.convolution(f"conv{name}", f"features.{index}", top)
        if normalized:
            top = b.batch_norm(f"bn{name}", f"scale{name}", f"features.{index + 1}", top)
        top = b.relu(f"relu{name}", top)
        position += 1
        if pooled:
            top = b.max_pooling(f"pool{stage}", top, 2, 2)
            stage, position = stage + 1, 1
    top = _pool_to_weights(b, top, prefixes[0])
    for number, prefix in zip((6, 7), prefixes):
        top = b.inner_product(f"fc{number}", prefix, top)
        top = b.dropout(f"drop{number}", b.relu(f"relu{number}", top))
    b.inner_product("fc8", prefixes[2], top)


def _convolutions(tensors: Tensors) -> list[tuple[int, bool, bool]]:
    """[(index, with BatchNorm, pooled)] of the convolutions in a Sequential called `features`.

    Modules without tensors leave gaps between the indices: one for a ReLU, one more for a pooling.
    The last convolution is always pooled.
    """
    shapes: dict[int, tuple[int, ...]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r"features\.([0-9]{1,6})\.weight", name)
        if match:
            shapes[int(match.group(1))] = tensor.shape
    for index, shape in shapes.items():
        if len(shape) == 4 or (len(shape) == 1 and len(shapes.get(index - 1, ())) == 4):
            continue
        wanted: list[int | str] = ["outputs", "channels", "kernel", "kernel"]
        check_shape(f"features.{index}.weight", shape, wanted, " or a BatchNorm's")
    places = sorted(index for index, shape in shapes.items() if len(shape) == 4)
    if not places:
        raise InputError("there are no convolutions among its features.<number>.weight")
    found = []
    ends: list[int | None] = [*places[1:], None]
    for index, following in zip(places, ends):
        normalized = len(shapes.get(index + 1, ())) == 1
        gap = None if following is None else following - index - normalized
        if gap not in (None, 2, 3):
            raise InputError(
                f"there are modules between features.{index} and features.{following} that "
                "neither AlexNet nor VGG has"
            )
        found.append((index, normalized, gap != 2))
    return found


def _pool_to_weights(b: NetBuilder, top: Top, prefix: str) -> Top:
    """Average to the size for which the first fully connected layer was trained."""
    shape, channels = b.shape(f"{prefix}.weight"), b.channels[top]
    inputs = math.prod(shape[1:])
    grid = round((inputs / channels) ** 0.5)
    if grid < 1 or grid * grid * channels != inputs:
        raise InputError(
            f"{prefix}.weight has the shape {shape}, for {inputs} values: expected {channels} "
            "(the input channels) times a square number; the file is damaged, or its network was "
            "changed"
        )
    return b.adaptive_pooling("avgpool", top, grid)


def _googlenet(b: NetBuilder) -> None:
    """torchvision's GoogLeNet as published: BatchNorm, and 3x3 where the paper has 5x5."""

    def convolution(name: str, prefix: str, bottom: Top, stride: int = 1) -> Top:
        top = b.convolution(name, f"{prefix}.conv", bottom, stride)
        top = b.batch_norm(f"{name}/bn", f"{name}/scale", f"{prefix}.bn", top, eps=0.001)
        return b.relu(f"{name}/relu", top)

    def inception(name: str, bottom: Top) -> Top:
        group, prefix = f"inception_{name}", f"inception{name}"
        three = convolution(f"{group}/3x3_reduce", f"{prefix}.branch2.0", bottom)
        five = convolution(f"{group}/5x5_reduce", f"{prefix}.branch3.0", bottom)
        pooled = b.max_pooling(f"{group}/pool", bottom, 3, 1, pad=1, ceil=True)
        branches = [
            convolution(f"{group}/1x1", f"{prefix}.branch1", bottom),
            convolution(f"{group}/3x3", f"{prefix}.branch2.1", three),
            convolution(f"{group}/5x5", f"{prefix}.branch3.1", five),
            convolution(f"{group}/pool_proj", f"{prefix}.branch4.1", pooled),
        ]
        b.n[f"{group}/output"] = top = L.Concat(*branches)
        b.channels[top] = sum(b.channels[branch] for branch in branches)
        return top

    top = convolution("conv1/7x7_s2", "conv1", b.n.data, stride=2)
    top = b.max_pooling("pool1/3x3_s2", top, 3, 2, ceil=True)
    top = convolution("conv2/3x3_reduce", "conv2", top)
    top = convolution("conv2/3x3", "conv3", top)
    top = b.max_pooling("pool2/3x3_s2", top, 3, 2, ceil=True)
    for name in ("3a", "3b"):
        top = inception(name, top)
    top = b.max_pooling("pool3/3x3_s2", top, 3, 2, ceil=True)
    for name in ("4a", "4b", "4c", "4d", "4e"):
        top = inception(name, top)
    top = b.max_pooling("pool4/2x2_s2", top, 2, 2, ceil=True)
    for name in ("5a", "5b"):
        top = inception(name, top)
    top = b.dropout("pool5/drop", b.global_pooling("pool5", top), 0.2)
    b.inner_product("loss3/classifier", "fc", top)


def _squeezenet(b: NetBuilder) -> None:
    """SqueezeNet 1.0 and 1.1 (Iandola et al. 2016)."""
    fires = sorted(
        int(match.group(1))
        for match in (
            re.fullmatch(r"features\.([0-9]{1,6})\.squeeze\.weight", name) for name in b.tensors
        )
        if match
    )
    # conv1 has no padding in either release.
    top = b.relu("relu_conv1", b.convolution("conv1", "features.0", b.n.data, 2, pad=0))
    for number, (before, index) in enumerate(zip([1, *fires], fires), 2):
        if index > before + 1:
            top = b.max_pooling(f"pool{number - 1}", top, 3, 2, ceil=True)
        top = _fire(b, f"fire{number}", f"features.{index}", top)
    top = b.dropout(f"drop{len(fires) + 1}", top)
    top = b.relu("relu_conv10", b.convolution("conv10", "classifier.1", top))
    b.global_pooling("pool10", top)


def _fire(b: NetBuilder, name: str, prefix: str, bottom: Top) -> Top:
    squeezed = b.convolution(f"{name}/squeeze1x1", f"{prefix}.squeeze", bottom)
    squeezed = b.relu(f"{name}/relu_squeeze1x1", squeezed)
    expanded = []
    for kernel in ("1x1", "3x3"):
        top = b.convolution(f"{name}/expand{kernel}", f"{prefix}.expand{kernel}", squeezed)
        expanded.append(b.relu(f"{name}/relu_expand{kernel}", top))
    b.n[f"{name}/concat"] = top = L.Concat(*expanded)
    b.channels[top] = sum(b.channels[part] for part in expanded)
    return top


# Before ResNet, whose names the networks on it have, too.
_FAMILIES = (
    *(
        Family(name, mark, build, training_only=gluoncv.TRAINING_ONLY, size=(480, 480))
        for name, mark, build in (
            ("GluonCV's PSPNet", r"head\.psp\..*", gluoncv.pspnet),
            ("GluonCV's FCN", r"(head|auxlayer)\.block\..*", gluoncv.fcn),
        )
    ),
    Family(
        "MindSpore's FCN-8s",
        r"conv[45]\.[036]\.weight|(score|upscore)_pool[34]\.weight",
        mindspore_fcn8s.fcn8s,
        training_only=mindspore_fcn8s.TRAINING_ONLY,
        size=(512, 512),
        reads_bgr=True,
    ),
    Family("ResNet", r"layer1\.0\.conv1\.weight", resnet.classifier),
    Family(
        "FCN-ResNet",
        r"backbone\.layer1\.0\.conv1\.weight",
        resnet.fcn,
        training_only=r"aux_classifier\..*",
    ),
    Family(
        "GoogLeNet",
        r"inception3a\.branch1\.conv\.weight",
        _googlenet,
        _SYMMETRIC,
        r"aux[12]\..*",
    ),
    Family("SqueezeNet", r"features\.[0-9]{1,6}\.squeeze\.weight", _squeezenet),
    Family("AlexNet", r"classifier\.1\.weight", _alexnet),
    Family("VGG", r"(classifier\.0|pre_logits\.fc1)\.weight", _vgg),
)
