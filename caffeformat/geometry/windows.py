"""The windows of convolutions, poolings and interpolations along every axis.

The many ways to write them (`kernel_size: 3`, `kernel_h: 3 kernel_w: 5`, one value for all axes or
one per axis) are read here once, for shapes and coordinate maps alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat.errors import InputError
from caffeformat.messages import pb

if TYPE_CHECKING:
    from collections.abc import Sequence


# Caffe allows 32; two are for images and channels.
_MOST_AXES = 30


class Window(NamedTuple):
    """A window along one axis, in pixels of the layer's bottom (for a Deconvolution, its top)."""

    kernel: int
    stride: int
    pad: int
    dilation: int


def extent(window: Window) -> int:
    """How far a dilated window reaches: dilation (kernel - 1) + 1."""
    return window.dilation * (window.kernel - 1) + 1


def convolution_windows(layer: pb.LayerParameter, axes: int | None = None) -> list[Window]:
    """The `Window`s of a Convolution, Deconvolution or Im2col layer.

    One per spatial axis, of which there are `axes`; without `axes`, as many as the layer's fields
    distinguish. Raises `InputError` if they are missing or do not fit.
    """
    param = layer.convolution_param
    fields = {
        "kernel_size": _axis_values(layer, param, "kernel_size", "kernel", None),
        "stride": _axis_values(layer, param, "stride", "stride", 1),
        "pad": _axis_values(layer, param, "pad", "pad", 0),
        "dilation": list(param.dilation) or [1],
    }
    count = axes or max(map(len, fields.values()))
    if count > _MOST_AXES:
        raise InputError(
            f'layer "{layer.name}": its window has {count} axes; Caffe allows {_MOST_AXES}'
        )
    for name, values in fields.items():
        if len(values) not in (1, count):
            raise InputError(
                f'layer "{layer.name}": {len(values)} values of {name} for {count} spatial axes; '
                "expected one, or one per axis"
            )
        if name != "pad" and min(values) < 1:
            raise InputError(f'layer "{layer.name}": {name} is {min(values)}; expected 1 or more')
        fields[name] = values * count if len(values) == 1 else values
    return [Window(*values) for values in zip(*fields.values())]


def _axis_values(
    layer: pb.LayerParameter,
    param: pb.ConvolutionParameter,
    name: str,
    prefix: str,
    default: int | None,
) -> list[int]:
    """Values of a repeated field that may also be written as `<prefix>_h` and `<prefix>_w`."""
    values = list(getattr(param, name))
    pair = [f"{prefix}_h", f"{prefix}_w"]
    found = [field for field in pair if param.HasField(field)]
    if found:
        if values:
            raise InputError(f'layer "{layer.name}": has both {name} and {prefix}_h or {prefix}_w')
        if default is None and len(found) < 2:
            raise InputError(
                f'layer "{layer.name}": has only one of {prefix}_h and {prefix}_w; set both'
            )
        return [getattr(param, field) if field in found else default or 0 for field in pair]
    if values:
        return values
    if default is None:
        raise InputError(f'layer "{layer.name}": its {name} is missing')
    return [default]


def pooling_windows(layer: pb.LayerParameter) -> list[Window] | None:
    """The two `Window`s (height, width) of a Pooling layer; None if it pools globally."""
    param = layer.pooling_param
    if param.global_pooling:
        return None
    kernel = _pooling_pair(layer, "kernel_size", "kernel")
    stride = _pooling_pair(layer, "stride", "stride")
    pad = _pooling_pair(layer, "pad", "pad")
    for name, values in (("kernel_size", kernel), ("stride", stride)):
        if min(values) < 1:
            raise InputError(f'layer "{layer.name}": {name} is {min(values)}; expected 1 or more')
    if any(p >= k for p, k in zip(pad, kernel)):
        raise InputError(f'layer "{layer.name}": pad {pad} is not smaller than the kernel {kernel}')
    return [Window(k, s, p, 1) for k, s, p in zip(kernel, stride, pad)]


def _pooling_pair(layer: pb.LayerParameter, name: str, prefix: str) -> list[int]:
    param = layer.pooling_param
    pair = [f"{prefix}_h", f"{prefix}_w"]
    if any(param.HasField(field) for field in pair):
        if param.HasField(name):
            raise InputError(f'layer "{layer.name}": has both {name} and {prefix}_h or {prefix}_w')
        return [getattr(param, field) for field in pair]
    return [getattr(param, name)] * 2


class Interpolation(NamedTuple):
    """What an Interp layer does."""

    # Pixels cropped off both ends of each axis
    begin: int
    end: int
    # Then every `shrink`-th pixel is kept and `zoom` - 1 values are put between neighbours
    shrink: int
    zoom: int
    # Or the output's (height, width); () for those of the second bottom, None with the factors
    sizes: tuple[int, ...] | None


def interpolation(layer: pb.LayerParameter) -> Interpolation:
    """The `Interpolation` of a layer of type Interp (DeepLab, PSPNet); `InputError` if unclear."""
    param = layer.interp_param
    if param.pad_beg > 0 or param.pad_end > 0:
        raise InputError(
            f'layer "{layer.name}": pad_beg is {param.pad_beg} and pad_end {param.pad_end}; Interp '
            "only crops, so expected 0 or less"
        )
    if len(layer.bottom) > 1:
        # Beyond the forks: the size of another blob, as for Crop, so that images of any size fit.
        return Interpolation(-param.pad_beg, -param.pad_end, 1, 1, ())
    shrinks, zooms = param.HasField("shrink_factor"), param.HasField("zoom_factor")
    sized = param.HasField("height") and param.HasField("width")
    if not (shrinks or zooms or sized):
        raise InputError(
            f'layer "{layer.name}": its size is missing; set zoom_factor, shrink_factor, height '
            "and width, or a second bottom of that size"
        )
    # As in the forks, one factor takes precedence over height and width, these over both factors.
    if sized and shrinks == zooms:
        return Interpolation(-param.pad_beg, -param.pad_end, 1, 1, (param.height, param.width))
    for name in ("shrink_factor", "zoom_factor"):
        if getattr(param, name) < 1:
            raise InputError(
                f'layer "{layer.name}": {name} is {getattr(param, name)}; expected 1 or more'
            )
    return Interpolation(
        -param.pad_beg, -param.pad_end, param.shrink_factor, param.zoom_factor, None
    )


def interpolated_sizes(
    layer: pb.LayerParameter, sizes: Sequence[int], reference: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Height and width of an Interp layer's top for a bottom of `sizes`; corners stay corners.

    `reference` is the height and width of the second bottom, if there is one.
    """
    found = interpolation(layer)
    cropped = [pixels - found.begin - found.end for pixels in sizes]
    scaled = tuple((c - 1) // found.shrink * found.zoom + 1 for c in cropped)
    made = tuple(reference or found.sizes or scaled)
    if min(*cropped, *made) < 1:
        raise InputError(
            f'layer "{layer.name}": cannot interpolate {tuple(sizes)} pixels, cropped by '
            f"{found.begin} and {found.end}, to {made}"
        )
    return made


def upsampling_scale(layer: pb.LayerParameter) -> tuple[int, int] | None:
    """(height, width) by which an Upsample layer (SegNet) enlarges; None if its size is fixed.

    `upsample_h` and `upsample_w` take precedence, then `scale_h` and `scale_w`, then `scale`.
    """
    param = layer.upsample_param
    sized = param.HasField("upsample_h") and param.HasField("upsample_w")
    pair = [param.HasField("scale_h"), param.HasField("scale_w")]
    if not sized and (any(pair) != all(pair) or (any(pair) and param.HasField("scale"))):
        raise InputError(
            f'layer "{layer.name}": set upsample_h and upsample_w, or scale, or both scale_h and '
            "scale_w"
        )
    scale = (param.scale_h, param.scale_w) if any(pair) else (param.scale, param.scale)
    name, found = ("scale", scale)
    if sized:
        name, found = "its size", (param.upsample_h, param.upsample_w)
    if min(found) < 2:
        raise InputError(f'layer "{layer.name}": {name} is {found}; expected 2 or more')
    if not sized and any(
        out and factor != 2 for out, factor in zip((param.pad_out_h, param.pad_out_w), scale)
    ):
        raise InputError(f'layer "{layer.name}": pad_out needs a scale of 2, found {scale}')
    return None if sized else scale


def upsampled_sizes(layer: pb.LayerParameter, sizes: Sequence[int]) -> tuple[int, ...]:
    """Height and width of an Upsample layer's top for a bottom of `sizes`."""
    param, scale = layer.upsample_param, upsampling_scale(layer)
    if scale is None:
        return param.upsample_h, param.upsample_w
    cut = param.pad_out_h, param.pad_out_w
    return tuple(pixels * factor - int(out) for pixels, factor, out in zip(sizes, scale, cut))


def convolved_size(layer: pb.LayerParameter, size: int, window: Window) -> int:
    """Outputs of a convolution along an axis: floor((size + 2 pad - extent) / stride) + 1."""
    result = (size + 2 * window.pad - extent(window)) // window.stride + 1
    return _positive(layer, result, size, window)


def deconvolved_size(layer: pb.LayerParameter, size: int, window: Window) -> int:
    """Outputs of a deconvolution along an axis: stride (size - 1) + extent - 2 pad."""
    result = window.stride * (size - 1) + extent(window) - 2 * window.pad
    return _positive(layer, result, size, window)


def pooled_size(layer: pb.LayerParameter, size: int, window: Window) -> int:
    """Outputs of a pooling along an axis: rounded up, unless `round_mode: FLOOR`.

    With padding, a last window that would start in the trailing padding is dropped.
    """
    span = size + 2 * window.pad - window.kernel
    floor = layer.pooling_param.round_mode == pb.PoolingParameter.FLOOR
    result = (span // window.stride if floor else -(-span // window.stride)) + 1
    if window.pad and (result - 1) * window.stride >= size + window.pad:
        result -= 1
    return _positive(layer, result, size, window)


def _positive(layer: pb.LayerParameter, result: int, size: int, window: Window) -> int:
    if result < 1:
        raise InputError(
            f'layer "{layer.name}": nothing is left of {size} pixels with kernel {window.kernel}, '
            f"stride {window.stride}, pad {window.pad}, dilation {window.dilation}"
        )
    return result
