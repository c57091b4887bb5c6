"""Tells layers of one name apart: nets may call several layers alike, and published ones do.

The first layer called `crop` keeps that name; the others become `crop#2`, `crop#3` and so on, in
the order of the net. Layers with parameters are counted before those without, so that the numbers
are the same in a net and in its weights.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from . import pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WITH_BLOBS = frozenset([
    "BN", "BatchNorm", "Bias", "Convolution", "Deconvolution", "Embed", "InnerProduct", "LSTM",
    "Normalize", "PReLU", "Parameter", "Python", "RNN", "Scale",
])  # fmt: skip


class LayerKey(str):
    """The key of a layer whose name is taken by an earlier one: `crop#2`.

    Attribute: `name`, the layer's own name, which files keep.
    """

    __slots__ = ("name",)

    def __new__(cls, name: str, number: int) -> LayerKey:
        key = super().__new__(cls, f"{name}#{number}")
        key.name = name
        return key

    name: str


def layer_keys(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """A key per layer name: the name itself the first time, a `LayerKey` after that.

    No key equals another name among `names` and `taken`.
    """
    names = list(names)
    used, last = {*names, *taken}, collections.Counter[str]()
    keys: list[str] = []
    for name in names:
        last[name] += 1
        if last[name] == 1:
            keys.append(name)
            continue
        key = LayerKey(name, last[name])
        while key in used:
            last[name] += 1
            key = LayerKey(name, last[name])
        used.add(key)
        keys.append(key)
    return keys


def keys_of_layers(layers: Sequence[pb.LayerParameter]) -> list[str]:
    """A key per layer of a net, as `layer_keys`, counting layers with parameters first."""
    order = sorted(range(len(layers)), key=lambda number: not _has_blobs(layers[number]))
    keys = dict(zip(order, layer_keys(layers[number].name for number in order)))
    return [keys[number] for number in range(len(layers))]


def distinct_layers(net: pb.NetParameter) -> pb.NetParameter:
    """`net`, or a copy in which layers that share a name have their keys for names."""
    keys = keys_of_layers(net.layer)
    if all(key == layer.name for key, layer in zip(keys, net.layer)):
        return net
    distinct = type(net)()
    distinct.CopyFrom(net)
    for key, layer in zip(keys, distinct.layer):
        layer.name = key
    return distinct


def _has_blobs(layer: pb.LayerParameter) -> bool:
    if layer.type in ("Bias", "Scale") and len(layer.bottom) > 1:
        return layer.type == "Scale" and layer.scale_param.bias_term
    return layer.type in _WITH_BLOBS or bool(layer.blobs)
