"""The shapes that layers of Caffe's forks make; see `shape_rules.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat.errors import InputError

from .shape_checks import image_shape, two_bottoms
from .windows import interpolated_sizes, upsampled_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caffeformat.messages import pb

    from .shape_checks import Shape


def _interp(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape = image_shape(layer, bottoms[0])
    reference = image_shape(layer, bottoms[1])[2:] if len(bottoms) > 1 else None
    return [shape[:2] + interpolated_sizes(layer, shape[2:], reference)]


def _upsample(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    if len(bottoms) == 1:
        scale = layer.upsample_param.scale
        raise InputError(
            f'layer "{layer.name}": an Upsample with one bottom is not SegNet\'s, which takes a '
            f"mask as well, but that of converters from darknet, which repeats each pixel {scale} "
            f'x {scale} times; for C channels, write type: "Deconvolution" with param {{ lr_mult: '
            f"0 }} and convolution_param {{ num_output: C group: C kernel_size: {scale} stride: "
            f'{scale} bias_term: false weight_filler {{ type: "constant" value: 1 }} }}'
        )
    shape, mask = two_bottoms(layer, bottoms)
    image_shape(layer, shape)
    if mask != shape:
        raise InputError(
            f'layer "{layer.name}": its bottoms "{layer.bottom[0]}" {shape} and '
            f'"{layer.bottom[1]}" {mask} differ in shape; the mask is the second '
            "top of the Pooling that this layer undoes"
        )
    return [shape[:2] + upsampled_sizes(layer, shape[2:])]


def _bn(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    """SegNet's gives the batch's mean and variance as second and third top."""
    if len(layer.top) > 1 and len(bottoms[0]) < 2:
        raise InputError(f'layer "{layer.name}": needs a bottom with channels, found {bottoms[0]}')
    statistics = (1, *bottoms[0][1:2], 1, 1)
    return [bottoms[0], *[statistics] * (len(layer.top) - 1)]


def axis_order(layer: pb.LayerParameter, count: int) -> list[int]:
    """For a Permute layer (SSD) and `count` axes, the bottom's axes in the order of the top's.

    Axes that its `order` omits follow in their old order.
    """
    order = list(layer.permute_param.order)
    if len(set(order)) < len(order) or any(axis >= count for axis in order):
        raise InputError(
            f'layer "{layer.name}": order {order} does not name axes of its bottom, 0 to '
            f"{count - 1}, each once"
        )
    return order + [axis for axis in range(count) if axis not in order]


def _permute(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    shape = bottoms[0]
    return [tuple(shape[axis] for axis in axis_order(layer, len(shape)))]


def _seg_accuracy(layer: pb.LayerParameter, bottoms: Sequence[Shape]) -> list[Shape]:
    """Pixel accuracy, mean accuracy and mean intersection over union."""
    return [(1, 1, 1, 3)]


# Type -> function(layer, shapes of its bottoms) that returns the shapes of its tops
RULES: dict[str, Callable[[pb.LayerParameter, Sequence[Shape]], list[Shape]]] = {
    "BN": _bn,
    "Interp": _interp,
    "Permute": _permute,
    "SegAccuracy": _seg_accuracy,
    "Upsample": _upsample,
}
