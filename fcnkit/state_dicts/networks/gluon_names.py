"""The names that Gluon's older `save_params` gave to GluonCV's parameters, and those of today.

It numbered layers of one type in the order in which they were made, within the scope of a stage;
`save_parameters` writes paths of attributes, as PyTorch does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = TypeVar("Value")

_TRUNK = re.compile(
    r"resnetv1([bcs])[0-9]*_(?:(layers|down)([1-4])_)?(conv|batchnorm)([0-9]{1,4})_(\w+)"
)
_HEAD = re.compile(r"_(fcnhead|psphead)([01])_(?:hybridsequential0_)?(conv|batchnorm)([01])_(\w+)")
_PYRAMID = re.compile(r"_pyramidpooling0_hybridsequential([0-3])_(conv|batchnorm)0_(\w+)")

# Modules of a head and of a stem in the order of their convolutions and BatchNorms.
_HEAD_PLACES = {"conv0": 0, "batchnorm0": 1, "conv1": 4}
_DEEP_STEM = {
    "conv0": "conv1.0", "batchnorm0": "conv1.1", "conv1": "conv1.3", "batchnorm1": "conv1.4",
    "conv2": "conv1.6", "batchnorm2": "bn1",
}  # fmt: skip
_STEM = {"conv0": "conv1", "batchnorm0": "bn1"}


def attribute_names(tensors: Mapping[str, Value]) -> Mapping[str, Value]:
    """`tensors` under today's names; as they are where any of them has no such name."""
    if not any(_TRUNK.fullmatch(name) for name in tensors):
        return tensors
    has_pyramid = any(_PYRAMID.fullmatch(name) for name in tensors)
    renamed = {_attribute(name, has_pyramid): value for name, value in tensors.items()}
    return renamed if len(renamed) == len(tensors) else tensors


def _attribute(name: str, has_pyramid: bool) -> str:
    found = _TRUNK.fullmatch(name)
    if found:
        variant, scope, stage, kind, number, part = found.groups()
        layer = f"{kind}{number}"
        if scope is None:
            stem = (_STEM if variant == "b" else _DEEP_STEM).get(layer)
            return name if stem is None else f"{stem}.{part}"
        if scope == "down":
            return f"layer{stage}.0.downsample.{0 if kind == 'conv' else 1}.{part}"
        block, place = divmod(int(number), 3)  # blocks of three convolutions
        short = "conv" if kind == "conv" else "bn"
        return f"layer{stage}.{block}.{short}{place + 1}.{part}"
    found = _HEAD.fullmatch(name)
    if found:
        head, index, kind, number, part = found.groups()
        is_main = head == "psphead" if has_pyramid else index == "0"
        module = _HEAD_PLACES.get(f"{kind}{number}")
        if module is None:
            return name
        return f"{'head' if is_main else 'auxlayer'}.block.{module}.{part}"
    found = _PYRAMID.fullmatch(name)
    if found:
        index, kind, part = found.groups()
        return f"head.psp.conv{int(index) + 1}.{0 if kind == 'conv' else 1}.{part}"
    return name
