"""The feature strides of a trunk: where each ends, and how to have fewer by dilating kernels.

A skip reads the last features of its stride, as they have seen the most. Dilation (the algorithme
à trous; Chen et al., DeepLab, 2015) removes strides and spreads the kernels that follow, so that
features are computed everywhere between those of the strided net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, geometry
from caffeformat.geometry import convolution_windows, pooling_windows

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from typing import Any

    from caffeformat import pb

    from .trunk import Trunk


class Stage(NamedTuple):
    """The last features of one stride."""

    blob: str
    # In pixels of the image
    stride: int


def find_stages(trunk: Trunk, bottlenecks: Container[int]) -> list[Stage]:
    """The `Stage`s of a `Trunk`, finest first; the last one is the scoring layer's output.

    bottlenecks: indices of the layers where features may be taken. Raises `InputError` if a layer
    keeps no coordinates or a stride is not a whole number.
    """
    fields = geometry.receptive_fields(trunk.net)
    _check_fields(trunk.net, fields)
    stages: dict[int, Stage] = {}
    learned = False
    for number, layer in enumerate(trunk.net.layer):
        learned = learned or layer.type == "Convolution"
        if learned and number in bottlenecks:
            stride = _one_stride(layer, fields[layer.top[0]])
            stages[stride] = Stage(layer.top[0], stride)
    scored = _one_stride(trunk.net.layer[-1], fields[trunk.net.layer[-1].top[0]])
    return [stages[stride] for stride in sorted(stages) if stride <= scored]


def dilate(net: pb.NetParameter, stride: int) -> dict[str, str]:
    """Change `net` in place so that no features are coarser than `stride`; {layer: what changed}.

    Strides beyond it become 1, and the convolutions after them are dilated, with their paddings.
    Poolings keep their kernels, as Caffe's cannot be dilated: the windows of one that follows are
    denser than the classifier's.
    """
    fields = geometry.receptive_fields(net)
    spread: dict[str, int] = {}
    changes: dict[str, str] = {}
    for layer in net.layer:
        factors = {spread.get(bottom, 1) for bottom in layer.bottom} or {1}
        if len(factors) > 1:
            raise InputError(
                f'layer "{layer.name}": its bottoms come from different strides; cannot dilate it'
            )
        factor = factors.pop()
        wanted = max(1, _one_stride(layer, fields[layer.top[0]]) // stride)
        if layer.type in ("Convolution", "Pooling") and (factor > 1 or wanted > 1):
            changes[layer.name] = _spread(layer, factor, wanted)
        spread.update((top, wanted) for top in layer.top)
    return {name: text for name, text in changes.items() if text}


def _spread(layer: pb.LayerParameter, factor: int, wanted: int) -> str:
    """Dilate one layer whose bottom is `factor` times denser, so that its top is `wanted` times."""
    is_pooling = layer.type == "Pooling"
    windows = pooling_windows(layer) if is_pooling else convolution_windows(layer, 2)
    if windows is None:
        return ""  # it pools over everything, however dense
    texts = []
    param: Any = layer.pooling_param if is_pooling else layer.convolution_param
    if wanted > factor:
        steps = [window.stride * factor // wanted for window in windows]
        texts.append(f"stride {windows[0].stride} -> {steps[0]}")
        _set_pair(param, "stride", steps)
    if factor > 1 and any(window.kernel > 1 for window in windows):
        if is_pooling:
            texts.append(f"not dilated by {factor}: windows are denser")
        else:
            texts.append(f"dilation {windows[0].dilation * factor}")
            _set_all(param.dilation, [window.dilation * factor for window in windows])
            _set_pair(param, "pad", [window.pad * factor for window in windows])
    return ", ".join(texts)


def _set_pair(param: Any, name: str, values: Sequence[int]) -> None:
    """Set `stride` or `pad` for height and width, whichever fields the layer used before.

    param: a layer's ConvolutionParameter, where these are repeated, or PoolingParameter.
    """
    param.ClearField(f"{name}_h")
    param.ClearField(f"{name}_w")
    field = getattr(param, name)
    if isinstance(field, int):
        param.ClearField(name)
        if values[0] == values[1]:
            setattr(param, name, values[0])
        else:
            setattr(param, f"{name}_h", values[0])
            setattr(param, f"{name}_w", values[1])
    else:
        _set_all(field, values)


def _set_all(field: Any, values: Sequence[int]) -> None:
    del field[:]
    field.extend(values[:1] if len(set(values)) == 1 else values)


def _one_stride(layer: pb.LayerParameter, field: geometry.ReceptiveField) -> int:
    strides = set(field.stride)
    if len(strides) > 1 or min(strides).denominator != 1:
        found = " x ".join(f"{float(stride):g}" for stride in field.stride)
        raise InputError(
            f'layer "{layer.name}": has a stride of {found} pixels; surgery needs the same whole '
            "number for both axes"
        )
    return int(min(strides))


def _check_fields(net: pb.NetParameter, fields: Mapping[str, geometry.ReceptiveField]) -> None:
    for layer in net.layer:
        lost = [top for top in layer.top if top not in fields]
        if lost:
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): it is unknown where the pixels of its top '
                f'"{lost[0]}" lie in the image; surgery needs layers with known coordinates '
                "(convolutions, poolings, elementwise layers, channel-wise concatenation)"
            )
