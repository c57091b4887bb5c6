"""Names and paths of the blobs of a net that surgery rebuilds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caffeformat import pb


def unused(name: str, net: pb.NetParameter) -> str:
    """`name`, or if a layer or blob of `net` has it, the first free one of name_2, name_3, ..."""
    names = {taken for layer in net.layer for taken in (layer.name, *layer.top)}
    if name not in names:
        return name
    number = 2
    while f"{name}_{number}" in names:
        number += 1
    return f"{name}_{number}"


def add_layer(net: pb.NetParameter, name: str, kind: str, *bottoms: str) -> pb.LayerParameter:
    """Add a layer of type `kind` to the end of `net`; it and its one top are called `name`.

    If that name is taken, they get an unused one.
    """
    name = unused(name, net)
    return net.layer.add(name=name, type=kind, bottom=bottoms, top=[name])


def add_crop(
    net: pb.NetParameter, name: str, big: str, small: str, offset: Sequence[int], axis: int = 2
) -> pb.LayerParameter:
    """Add a Crop of the blob `big` to the size of `small`; returns the layer.

    offset: where the crop begins, for each axis from `axis` on.
    """
    layer = add_layer(net, name, "Crop", big, small)
    layer.crop_param.axis = axis
    layer.crop_param.offset.extend(offset[:1] if len(set(offset)) == 1 else offset)
    return layer


def rename_blob(layer: pb.LayerParameter, old: str, new: str) -> None:
    """Let `layer` read `new` instead of `old`; in-place layers stay in place."""
    for blobs in (layer.bottom, layer.top):
        for index, blob in enumerate(blobs):
            if blob == old:
                blobs[index] = new


def ancestors(net: pb.NetParameter, blob: str, end: int) -> list[int]:
    """Indices of the layers before the index `end` that `blob` depends on, in order."""
    wanted, found = {blob}, []
    for number in reversed(range(end)):
        if wanted.intersection(net.layer[number].top):
            wanted.update(net.layer[number].bottom)
            found.append(number)
    return found[::-1]
