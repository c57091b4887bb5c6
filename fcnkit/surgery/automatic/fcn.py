"""Automatic surgery: builds a fully convolutional network from any classifier's text.

    fcn = fcn_from_classifier(read_net("deploy.prototxt"), classes=21, stride=8)
    result = transplant(read_caffemodel("classifier.caffemodel"), fcn.net)

The classifier's layers keep their names, paddings and weights. Its inner products become
convolutions, and its scoring layer is replaced by one for the new classes; skips, bilinear
upsampling and crops follow. The image is padded by as many pixels as all image sizes need, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, pb

from ..blobs import unused
from . import crops
from .heads import Head
from .joins import crop_joins, joins_apart
from .strides import dilate, find_stages
from .trunk import bottlenecks, take_trunk

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .strides import Stage
    from .trunk import Trunk


class FCN(NamedTuple):
    """A fully convolutional network made of a classifier."""

    # Deploy net, which ends in the scores of every pixel
    net: pb.NetParameter
    # Name of its input blob
    image: str
    # The classifier's layers that were kept, as they were
    classifier: pb.NetParameter
    # The others: (name, reason)
    dropped: list[tuple[str, str]]
    # Those whose features are scored, coarsest first
    stages: list[Stage]
    # What happened to layers, by name
    changes: dict[str, str]
    # Pixels by which the image is padded beyond the classifier's own padding
    pad: int


def fcn_from_classifier(
    net: pb.NetParameter,
    classes: int,
    stride: int | None = None,
    dilated: bool = False,
    keep_scores: bool = False,
    skips: Sequence[str] | None = None,
    pad: int | None = None,
) -> FCN:
    """Turn a classifier, `net`, into an `FCN` for `classes`, background included.

    stride: of the finest features that are scored, in pixels of the image (default: the coarsest
    there are, without skips); dilated: reach it by dilation instead of skips; keep_scores: keep the
    classifier's own scoring layer, for the same classes; skips: blobs to score instead of the last
    one of each stride; pad: padding around the image, if more than the least. Raises `InputError`
    for a classifier that cannot slide over larger images, and for strides that it does not have.
    """
    if classes < 2:
        raise InputError(
            f"{classes} classes: an FCN distinguishes at least two, background included"
        )
    trunk = take_trunk(net)
    changes = dict(trunk.made)
    stages = find_stages(trunk, set(bottlenecks(trunk.net)))
    stride = stages[-1].stride if stride is None else stride
    _check_stride(trunk, stages, stride, dilated)
    chosen = [stages[-1]]
    if dilated:
        if skips:
            raise InputError("dilation and skips exclude each other; pass only one of them")
        _add(changes, dilate(trunk.net, stride))
        chosen = [stages[-1]._replace(stride=stride)]
    elif skips or stride < stages[-1].stride:
        chosen += _skips(trunk, stages, stride, skips)
    _add(changes, crop_joins(trunk.net, trunk.image, chosen[0].stride))
    _add(changes, joins_apart(trunk.net))
    _score_new_classes(trunk, classes, keep_scores, changes)
    chosen[0] = chosen[0]._replace(blob=trunk.net.layer[-1].top[0])
    return _grow(trunk, classes, chosen, changes, pad)


def _grow(
    trunk: Trunk, classes: int, chosen: list[Stage], changes: dict[str, str], pad: int | None
) -> FCN:
    """Add head and padding to the trunk; returns the `FCN`."""
    net = trunk.net
    padding = crops.InputPadding(net, trunk.image)
    least = padding.least(lambda: crops.has_output(net, trunk.image))
    if least is None:
        # The shapes' own message names the layer and the size that it cannot take.
        crops.shapes_at(net, trunk.image, 1, 1)
        raise InputError(f"net {net.name!r}: no padding of the image lets every layer compute")
    head = Head(net, trunk.image, classes, chosen[0].stride)
    for coarse, fine in zip(chosen, chosen[1:]):
        head.fuse(fine.blob, coarse.stride // fine.stride)
    least = head.finish(chosen[-1].stride, padding, least)
    if pad is not None and pad < least:
        raise InputError(
            f"padding the image by {pad} is too little: crops for all image sizes need {least}"
        )
    pad = least if pad is None else pad
    padding.set(pad)
    if pad == 0:
        padding.remove_if_idle()
    else:
        own = padding.own[0]
        text = f"pads by {own + pad} ({own} of its own)" if own else f"pads by {pad}"
        _add(changes, {padding.layer: text})
    head.set_offsets()
    changes.update(head.made)
    net.name = f"FCN-{net.name or 'classifier'}"
    return FCN(net, trunk.image, trunk.classifier, trunk.dropped, chosen, changes, pad)


def _add(changes: dict[str, str], texts: Mapping[str, str]) -> None:
    """Append `texts` to what `changes` report of the same layers."""
    for name, text in texts.items():
        changes[name] = f"{changes[name]}, {text}" if name in changes else text


def _check_stride(trunk: Trunk, stages: Sequence[Stage], stride: int, dilated: bool) -> None:
    strides = [stage.stride for stage in stages]
    name = trunk.net.name or "the classifier"
    if stride not in strides:
        found = ", ".join(f"{stage.stride} ({stage.blob})" for stage in stages)
        raise InputError(f"stride {stride}: the features of {name} have strides {found}")
    if dilated and stride == strides[-1]:
        raise InputError(
            f"stride {stride}: the features of {name} are no coarser, so there is nothing to "
            f"dilate; finer ones have stride {', '.join(map(str, strides[:-1])) or 'none'}"
        )


def _skips(
    trunk: Trunk, stages: Sequence[Stage], stride: int, blobs: Iterable[str] | None
) -> list[Stage]:
    """The `Stage`s below the coarsest, from coarse to fine, down to `stride`."""
    coarsest = stages[-1]
    found = {stage.stride: stage for stage in stages[:-1] if stage.stride >= stride}
    if blobs:
        found = {}
        for blob in blobs:
            stage = _named(trunk, blob)
            if stage.stride >= coarsest.stride:
                raise InputError(
                    f"skip {blob}: has stride {stage.stride}, no finer than the features that are "
                    f"always scored ({coarsest.blob}, stride {coarsest.stride})"
                )
            if stage.stride in found:
                raise InputError(
                    f"skips {found[stage.stride].blob} and {blob}: both have stride {stage.stride}"
                )
            found[stage.stride] = stage
        if min(found) != stride:
            raise InputError(
                f"the finest skip, {found[min(found)].blob}, has stride {min(found)}; pass "
                f"{{option}}, or a skip of stride {stride}",
                option="stride",
                value=min(found),
            )
    chosen = [found[key] for key in sorted(found, reverse=True)]
    for coarse, fine in zip(chosen, chosen[1:]):
        if coarse.stride % fine.stride:
            raise InputError(
                f'strides {coarse.stride} ("{coarse.blob}") and {fine.stride} ("{fine.blob}") do '
                "not divide; choose skips whose strides do"
            )
    return chosen


def _named(trunk: Trunk, blob: str) -> Stage:
    part = pb.NetParameter()
    part.CopyFrom(trunk.net)
    numbers = [i for i, layer in enumerate(part.layer) if blob in layer.top]
    if not numbers:
        raise InputError(f'skip "{blob}": the classifier has no such blob before its scores')
    for stage in find_stages(trunk, set(numbers[-1:])):
        return stage
    raise InputError(
        f'skip "{blob}": not features of the classifier, as nothing is learned before it'
    )


def _score_new_classes(trunk: Trunk, classes: int, keep: bool, changes: dict[str, str]) -> None:
    """Replace the scoring layer by one for `classes` that starts at zero, or keep it."""
    layer = trunk.net.layer[-1]
    outputs = layer.convolution_param.num_output
    if keep:
        if outputs != classes:
            raise InputError(
                f'layer "{layer.name}": scores {outputs} classes, expected {classes}; to keep its '
                f"scores pass {{option}}, or let new ones start at zero",
                option="classes",
                value=outputs,
            )
        _add(changes, {layer.name: "kept as scores"})
        return
    old = layer.name
    layer.name = unused("score_fr", trunk.net)
    layer.top[0] = layer.name
    del layer.param[:]
    layer.param.add(lr_mult=1, decay_mult=1)
    layer.param.add(lr_mult=2, decay_mult=0)
    param = layer.convolution_param
    param.num_output, param.bias_term = classes, True
    param.ClearField("weight_filler")
    param.ClearField("bias_filler")
    changes.pop(old, None)
    changes[layer.name] = f"scores {classes} classes in place of {old} ({outputs}), starts at zero"


def trained_layers(fcn: FCN, keep_scores: bool = False) -> pb.NetParameter:
    """The classifier's layers whose weights the FCN takes over, as they were.

    keep_scores: whether the classifier's scoring layer is one of them.
    """
    net = pb.NetParameter()
    net.CopyFrom(fcn.classifier)
    if not keep_scores:
        del net.layer[-1]
    return net


def name_fillers(fcn: FCN) -> None:
    """Let the classifier's convolutions start at random (msra) unless their text names a filler.

    For an `FCN` without weights. New scores still start at zero: what they read is not zero, so
    they learn all the same.
    """
    old = {layer.name for layer in fcn.classifier.layer}
    for layer in fcn.net.layer:
        param, is_old = layer.convolution_param, layer.name in old
        if layer.type == "Convolution" and is_old and not param.HasField("weight_filler"):
            param.weight_filler.type = "msra"
