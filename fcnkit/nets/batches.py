"""Whether a net computes each image of a batch by itself, from its layers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, geometry, pb
from caffeformat.messages import bn_kind, has_scale_and_bias

from .channels import declared_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Layers whose values for one image never depend on others in the batch, in phase TEST.
_BY_THEMSELVES = frozenset((
    "AbsVal", "BNLL", "Clip", "Convolution", "Crop", "Deconvolution", "Dropout", "ELU", "Eltwise",
    "Exp", "Im2col", "Interp", "LRN", "Log", "MVN", "Normalize", "PReLU", "Pooling", "Power",
    "ReLU", "Reshape", "SPP", "Sigmoid", "Silence", "Split", "Swish", "TanH", "Threshold",
    "Upsample",
))  # fmt: skip
# Layers that work along an axis, which must not be that of the batch: type -> the axis.
_AXES: dict[str, Callable[[pb.LayerParameter], int]] = {
    "Bias": lambda layer: layer.bias_param.axis,
    "Concat": lambda layer: _concat_axis(layer),
    "Flatten": lambda layer: layer.flatten_param.axis,
    "InnerProduct": lambda layer: layer.inner_product_param.axis,
    "Reduction": lambda layer: layer.reduction_param.axis,
    "Scale": lambda layer: layer.scale_param.axis,
    "Slice": lambda layer: _slice_axis(layer),
    "Softmax": lambda layer: layer.softmax_param.axis,
    "Tile": lambda layer: layer.tile_param.axis,
}
_KNOWN = _BY_THEMSELVES | {*_AXES, "ArgMax", "BN", "BatchNorm", "Permute"}


def mixes_images(
    net: pb.NetParameter, image: str, scores: Iterable[str], size: tuple[int, int]
) -> str | None:
    """Why images in one batch may change each other's `scores`, or None where they do not.

    `net` is a deploy net, filtered, `image` its input blob, `scores` the blobs that are wanted, and
    `size` a (height, width) that it takes. The answer names the layer and says what it does with a
    batch, such as 'layer "bn" (BatchNorm) uses statistics of the batch'. Layers that are not known
    to keep images apart count as mixing them.
    """
    layers = _between(net, image, set(scores))
    for layer, _ in layers:
        if layer.type not in _KNOWN:
            return f"{_called(layer)} is not known to compute images by themselves"
    channels = declared_channels(net, image) or 3
    try:
        one, two = (
            geometry.infer_shapes(net, {image: (count, channels, *size)}) for count in (1, 2)
        )
    except InputError:
        return "the net takes batches of one image alone"
    for layer, images in layers:
        problem = _problem(layer, len(one[layer.bottom[0]]), images)
        if problem:
            return f"{_called(layer)} {problem}"
        for top in layer.top:
            if one[top][:1] != (1,) or two[top] != (2, *one[top][1:]):
                return f"{_called(layer)} does not keep a batch's images along the first axis"
    return None


def _between(
    net: pb.NetParameter, image: str, needed: set[str]
) -> list[tuple[pb.LayerParameter, int]]:
    """The layers through which the blobs `needed` depend on the blob `image`, in order.

    Each with the number of its bottoms that depend on it.
    """
    needed = set(needed)
    leading: list[pb.LayerParameter] = []
    for layer in reversed(net.layer):
        if needed & {*layer.top}:
            needed.update(layer.bottom)
            leading.insert(0, layer)
    dependent, found = {image}, []
    for layer in leading:
        count = sum(bottom in dependent for bottom in layer.bottom)
        if count:
            dependent.update(layer.top)
            found.append((layer, count))
    return found


def _called(layer: pb.LayerParameter) -> str:
    return f'layer "{layer.name}" ({layer.type})'


def _problem(layer: pb.LayerParameter, rank: int, images: int) -> str | None:
    """What a layer does with a batch; `images` of its bottoms depend on the images."""
    if layer.type in ("BN", "BatchNorm"):
        return "uses statistics of the batch" if _uses_batch(layer) else None
    if images == 2 and layer.type in ("Bias", "Scale"):
        # Both bottoms begin with the axis of the batch.
        is_apart = _AXES[layer.type](layer) % rank == 0
        return None if is_apart else "applies one image's values to others"
    if layer.type in _AXES:
        is_first = _AXES[layer.type](layer) % rank == 0
        return "works along the axis of the batch" if is_first else None
    if layer.type == "ArgMax":
        param = layer.argmax_param
        is_first = param.HasField("axis") and param.axis % rank == 0
        return "works along the axis of the batch" if is_first else None
    if layer.type == "Permute":
        moves = bool(layer.permute_param.order) and layer.permute_param.order[0] != 0
        return "moves the axis of the batch" if moves else None
    return None


def _uses_batch(layer: pb.LayerParameter) -> bool:
    """Whether a normalization takes its statistics from the batch at test time."""
    if layer.type == "BatchNorm":
        param = layer.batch_norm_param
        return not has_scale_and_bias(layer) and (
            param.HasField("use_global_stats") and not param.use_global_stats
        )
    # SegNet's BN has none stored; with INFERENCE they are folded into its scale and shift.
    return bn_kind(layer) == "segnet" and layer.bn_param.bn_mode != pb.BNParameter.INFERENCE


def _concat_axis(layer: pb.LayerParameter) -> int:
    param = layer.concat_param
    return int(param.concat_dim if param.HasField("concat_dim") else param.axis)


def _slice_axis(layer: pb.LayerParameter) -> int:
    param = layer.slice_param
    return int(param.slice_dim if param.HasField("slice_dim") else param.axis)
