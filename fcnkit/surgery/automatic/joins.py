"""Makes the branches that a trunk joins fit together on images of every size.

A classifier's branches fit at its own size. On others they may not: next to a convolution that
rounds down, a pooling that rounds up has one place more for every second image, and next to
convolutions that were dilated, it keeps more of the border than they do. There the larger branches
are cropped; places at the classifier's own size stay what they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, geometry

from . import crops

if TYPE_CHECKING:
    from caffeformat import pb

_JOINS = ("Concat", "Eltwise")


def crop_joins(net: pb.NetParameter, image: str, stride: int) -> dict[str, str]:
    """Insert a Crop before every join of `net` whose branches differ in size on some images.

    image: the net's input, of the classifier's own size; stride: the coarsest one, in pixels of the
    image. Returns {layer: text} for the crops. Raises `InputError` if no branch fits into all
    others.
    """
    if _always_fit(net, image, stride):
        return {}
    layers, changes = list(net.layer), {}
    del net.layer[:]
    for layer in layers:
        smallest = None
        if layer.type in _JOINS and len(layer.bottom) > 1:
            smallest = _smallest(net, layer, image, stride)
        for index, bottom in enumerate(layer.bottom):
            if smallest is not None and bottom != smallest:
                made = crops.add_crop(net, f"{bottom}_crop", bottom, smallest)
                changes[made.name] = f"crops {bottom} to the size of {smallest} on every image"
                layer.bottom[index] = made.top[0]
        net.layer.add().CopyFrom(layer)
    return changes


def _always_fit(net: pb.NetParameter, image: str, stride: int) -> bool:
    # Without branches that differ, what fails here fails at the classifier's own size as well.
    try:
        _shapes_over_stride(net, image, stride)
    except InputError:
        return False
    return True


def _shapes_over_stride(
    net: pb.NetParameter, image: str, stride: int
) -> list[dict[str, tuple[int, ...]]]:
    """The shapes of all blobs for images of the classifier's size, one pixel more, and so on."""
    height, width = crops.image_size(net, image)
    return [crops.shapes_at(net, image, height + more, width + more) for more in range(stride)]


def _smallest(net: pb.NetParameter, join: pb.LayerParameter, image: str, stride: int) -> str | None:
    """The bottom of `join` that fits into all others, or None if all always have the same size."""
    shapes = _shapes_over_stride(net, image, stride)
    sizes = {bottom: [shape[bottom][2:] for shape in shapes] for bottom in join.bottom}
    if all(size == sizes[join.bottom[0]] for size in sizes.values()):
        return None

    def fits(small: str, big: str) -> bool:
        offset = crops.whole_shift(net, big, small)
        return min(offset) >= 0 and all(
            first + inner <= outer
            for pair in zip(sizes[small], sizes[big])
            for first, inner, outer in zip(offset, *pair)
        )

    for small in sizes:
        if all(fits(small, big) for big in sizes if big != small):
            return small
    raise InputError(
        f'layer "{join.name}": its branches {", ".join(sizes)} have different sizes on some '
        "images, and none of them always fits into the others; give the classifier's branches the "
        "same rounding and paddings"
    )


def joins_apart(net: pb.NetParameter) -> dict[str, str]:
    """{layer: text} for layers of `net` that join branches whose pixels lie apart.

    No crop can align what the classifier itself joins apart; the first branch is what counts.
    """
    fields = geometry.receptive_fields(net)
    found = {}
    for layer in net.layer:
        if layer.type == "Crop":
            continue
        centers = [fields[blob].center for blob in layer.bottom if blob in fields]
        pairs = [center * (2 // len(center)) for center in centers]
        apart = max((abs(a - b) for pair in pairs[1:] for a, b in zip(pairs[0], pair)), default=0)
        if apart:
            found[layer.name] = f"joins branches that lie {float(apart):g} pixels apart"
    return found
