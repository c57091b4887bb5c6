"""Automatic surgery: a fully convolutional network from any classifier's text.

    fcn = fcn_from_classifier(read_net("deploy.prototxt"), classes=21, stride=8)
    result = transplant(read_caffemodel("classifier.caffemodel"), fcn.net)

The classifier's layers keep their names, paddings and weights. Its inner products become
convolutions, its scoring layer one for the new classes; skips, bilinear upsampling and crops
follow, and the image is padded by as many pixels as every image size needs, no more.
"""

import collections

from caffeformat import InputError, pb

from . import auto_surgery_crops as crops
from .auto_surgery_heads import Head
from .auto_surgery_joins import crop_joins, joins_apart
from .auto_surgery_stages import dilate, find_stages
from .auto_surgery_trunk import bottlenecks, take_trunk

FCN = collections.namedtuple("FCN", "net image classifier dropped stages changes pad")
FCN.__doc__ = """An FCN made of a classifier: `net`, its deploy net, which ends in the scores of
every pixel; `image`, the name of its input; `classifier`, the layers that were kept,
as they were; `dropped`, the others ((name, reason)); `stages`, those whose features are scored,
coarsest first; `changes`, what happened to layers ({name: text}); `pad`, by how many pixels the
image is padded beyond the classifier's own padding."""


def fcn_from_classifier(
    net, classes, stride=None, dilated=False, keep_scores=False, skips=None, pad=None
):
    """Turn the `NetParameter` of a classifier into an `FCN` for so many classes.

    stride: of the finest features that are scored, in pixels of the image (default: the coarsest
    there are, no skips); dilated: reach it by dilation instead of skips; keep_scores: keep the
    classifier's own scoring layer, for the same classes; skips: blobs to score, in place of the
    last one of each stride; pad: more padding around the image than the least. Raises `InputError`
    for a classifier that cannot be slid over larger images, and for strides that it does not have.
    """
    if classes < 2:
        raise InputError(f"{classes} classes: an FCN tells at least two apart (background is one)")
    trunk = take_trunk(net)
    changes = dict(trunk.made)
    stages = find_stages(trunk, set(bottlenecks(trunk.net)))
    stride = stages[-1].stride if stride is None else stride
    _check_stride(trunk, stages, stride, dilated)
    chosen = [stages[-1]]
    if dilated:
        if skips:
            raise InputError("dilation needs no skips: give the one or the other")
        _add(changes, dilate(trunk.net, stride))
        chosen = [stages[-1]._replace(stride=stride)]
    elif skips or stride < stages[-1].stride:
        chosen += _skips(trunk, stages, stride, skips)
    _add(changes, crop_joins(trunk.net, trunk.image, chosen[0].stride))
    _add(changes, joins_apart(trunk.net))
    _score_new_classes(trunk, classes, keep_scores, changes)
    chosen[0] = chosen[0]._replace(blob=trunk.net.layer[-1].top[0])
    return _grow(trunk, classes, chosen, changes, pad)


def _grow(trunk, classes, chosen, changes, pad):
    """Add head and padding to the trunk; returns the `FCN`."""
    net = trunk.net
    padding = crops.InputPadding(net, trunk.image)
    least = padding.least(lambda: crops.has_output(net, trunk.image))
    if least is None:
        # The shapes' own message tells which layer cannot take which size.
        crops.shapes_at(net, trunk.image, 1, 1)
    head = Head(net, trunk.image, classes, chosen[0].stride)
    for coarse, fine in zip(chosen, chosen[1:]):
        head.fuse(fine.blob, coarse.stride // fine.stride)
    least = head.finish(chosen[-1].stride, padding, least)
    if pad is not None and pad < least:
        raise InputError(
            f"padding the image by {pad} is too little: crops of all image sizes need {least}"
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


def _add(changes, texts):
    """Add to what is told of layers in `changes`."""
    for name, text in texts.items():
        changes[name] = f"{changes[name]}, {text}" if name in changes else text


def _check_stride(trunk, stages, stride, dilated):
    strides = [stage.stride for stage in stages]
    name = trunk.net.name or "the classifier"
    if stride not in strides:
        found = ", ".join(f"{stage.stride} ({stage.blob})" for stage in stages)
        raise InputError(f"stride {stride}: the features of {name} have strides {found}")
    if dilated and stride == strides[-1]:
        raise InputError(
            f"stride {stride}: the features of {name} are no coarser, there is nothing to dilate; "
            f"finer ones have stride {', '.join(map(str, strides[:-1])) or 'none'}"
        )


def _skips(trunk, stages, stride, blobs):
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
                    f"scored in any case ({coarsest.blob}, stride {coarsest.stride})"
                )
            if stage.stride in found:
                raise InputError(
                    f"skips {found[stage.stride].blob} and {blob}: both have stride {stage.stride}"
                )
            found[stage.stride] = stage
        if min(found) != stride:
            raise InputError(
                f"the finest skip, {found[min(found)].blob}, has stride {min(found)}: say --stride "
                f"{min(found)}, or name features of stride {stride}"
            )
    chosen = [found[key] for key in sorted(found, reverse=True)]
    for coarse, fine in zip(chosen, chosen[1:]):
        if coarse.stride % fine.stride:
            raise InputError(
                f'strides {coarse.stride} ("{coarse.blob}") and {fine.stride} ("{fine.blob}") do '
                "not divide: choose skips whose strides do"
            )
    return chosen


def _named(trunk, blob):
    part = pb.NetParameter()
    part.CopyFrom(trunk.net)
    numbers = [i for i, layer in enumerate(part.layer) if blob in layer.top]
    if not numbers:
        raise InputError(f'skip "{blob}": the classifier has no such blob before its scores')
    for stage in find_stages(trunk, set(numbers[-1:])):
        return stage
    raise InputError(f'skip "{blob}": no features of the classifier, nothing is learned before it')


def _score_new_classes(trunk, classes, keep, changes):
    """Replace the scoring layer by one for `classes` that starts at zero, or keep it."""
    layer = trunk.net.layer[-1]
    outputs = layer.convolution_param.num_output
    if keep:
        if outputs != classes:
            raise InputError(
                f'layer "{layer.name}": scores {outputs} classes, {classes} were asked for: keep '
                f"scores with --classes {outputs}, or let new ones start at zero"
            )
        _add(changes, {layer.name: "kept as scores"})
        return
    old = layer.name
    names = {blob for other in trunk.net.layer for blob in (other.name, *other.top)}
    layer.name = crops.unused("score_fr", names)
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


def name_fillers(fcn):
    """Let the classifier's convolutions start at random (msra) where their text says no filler.

    For an `FCN` without weights. New scores keep starting at zero: what they read is not zero, so
    that they learn all the same.
    """
    old = {layer.name for layer in fcn.classifier.layer}
    for layer in fcn.net.layer:
        param, is_old = layer.convolution_param, layer.name in old
        if layer.type == "Convolution" and is_old and not param.HasField("weight_filler"):
            param.weight_filler.type = "msra"
