"""VGG-16: the classifier, the fully convolutional trunk, and FCN-32s, 16s and 8s heads on that.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation (CVPR 2015, PAMI
2016). A head may have a suffix, so that one trunk carries several (`_sem`, `_geo`).
"""

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import FIXED, WEIGHT_AND_BIAS, score, upsampling

# Convolutions of each of the five stages, and their channels.
_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
_FC_CHANNELS = 4096

_BILINEAR = {"type": "bilinear"}

# The skip layers' features are larger than the scores by these factors, which matter when all
# streams are learned at once.
_AT_ONCE_SCALES = {"pool4": 0.01, "pool3": 0.0001}


def _stages(add, data, pad, first="conv1_1", batch_norm=None, width=1, **settings):
    """Add the thirteen convolutions, `pad` pixels of padding before the first; returns pool5."""
    top = data
    for stage, (count, channels) in enumerate(_STAGES, 1):
        channels = _scaled(channels, width)
        for index in range(1, count + 1):
            opening = (stage, index) == (1, 1)
            name = first if opening else f"conv{stage}_{index}"
            made = _convolution(top, channels, 3, pad if opening else 1, **settings)
            top = _activated(add, name, f"{stage}_{index}", made, batch_norm)
        top = add(f"pool{stage}", L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2))
    return top


def _activated(add, name, index, made, batch_norm=None):
    """Add the layer `name`, `made`, perhaps its BatchNorm and Scale, and its ReLU; returns that.

    batch_norm: fields of the BatchNorm's parameters, None where there is to be no BatchNorm.
    """
    top = add(name, made)
    if batch_norm is not None:
        top = add(f"bn{index}", L.BatchNorm(top, in_place=True, **batch_norm))
        top = add(f"scale{index}", L.Scale(top, bias_term=True, in_place=True))
    return add(f"relu{index}", L.ReLU(top, in_place=True))


def _fully_connected(add, index, made, batch_norm=None):
    """Add a layer fc6 or fc7, `made`, with what follows it; returns the last of that."""
    top = _activated(add, f"fc{index}", index, made, batch_norm)
    if batch_norm is not None:
        return top
    return add(f"drop{index}", L.Dropout(top, dropout_ratio=0.5, in_place=True))


def _convolution(bottom, outputs, kernel, pad, **settings):
    blobs = 2 if settings.get("bias_term", True) else 1
    return L.Convolution(
        bottom,
        num_output=outputs,
        pad=pad,
        kernel_size=kernel,
        stride=1,
        param=WEIGHT_AND_BIAS[:blobs],
        **settings,
    )


def _scaled(channels, width):
    return max(1, round(channels * width))


def fcn_trunk(n, data, suffix="", first="conv1_1", width=1, batch_norm=None, pad=100):
    """Add conv1_1 to drop7 to the NetSpec `n` on top of `data`; returns {layer: top}.

    The padding of 100 leaves `fc6` something to see at the border of any image; with another `pad`
    before conv1_1, `fc6` is padded to keep its bottom's size instead. `suffix` ends every name;
    `first` names the first convolution where its input is not colour, so that weights of three
    channels are not taken for it; `width` multiplies the channels of every convolution;
    `batch_norm`, fields of BatchNorm's parameters, puts such layers behind each of them, which do
    without dropout then.
    """
    tops = {}

    def add(name, made):
        n[name + suffix] = tops[name] = made
        return made

    top = _stages(add, data, pad, first, batch_norm, width)
    for index, kernel in ((6, 7), (7, 1)):
        own_pad = 0 if pad == 100 else kernel // 2
        made = _convolution(top, _scaled(_FC_CHANNELS, width), kernel, own_pad)
        top = _fully_connected(add, index, made, batch_norm)
    tops["drop7"] = top
    return tops


def classifier(n, data, classes, fillers, normalized=False):
    """Add conv1_1 to fc8 of VGG-16 to the NetSpec `n` on top of `data`; returns fc8.

    Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition (ICLR
    2015). fillers: whether layers name their fillers, which only training from nothing needs;
    normalized: BatchNorm behind each convolution.
    """
    # The authors started the deep nets from shallower ones; He et al.'s filler makes that needless.
    filled = {"weight_filler": {"type": "msra"}} if fillers else {}

    def add(name, made):
        n[name] = made
        return made

    top = _stages(add, data, 1, batch_norm={} if normalized else None, **filled)
    for index in (6, 7):
        made = L.InnerProduct(top, num_output=_FC_CHANNELS, param=WEIGHT_AND_BIAS, **filled)
        top = _fully_connected(add, index, made)
    return add("fc8", L.InnerProduct(top, num_output=classes, param=WEIGHT_AND_BIAS, **filled))


def fcn_head(n, tops, image, classes, stride, suffix="", at_once=False, learned=False):
    """Add the layers from `tops` (see `fcn_trunk`) to `score` at the size of `image`.

    stride: 32, 16 or 8, the stride of the finest scores; at_once: scale the skips' features, for
    training all streams together; learned: upsampling learns instead of staying bilinear.
    """
    n[f"score_fr{suffix}"] = top = score(tops["drop7"], classes)
    skips = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]
    enlarged = "upscore2"
    for skip in skips:
        n[enlarged + suffix] = top = upsampling(top, classes, 2, learned=learned)
        features = tops[skip]
        if at_once:
            n[f"scale_{skip}{suffix}"] = features = L.Scale(
                features,
                filler={"type": "constant", "value": _AT_ONCE_SCALES[skip]},
                param=FIXED,
            )
        n[f"score_{skip}{suffix}"] = skipped = score(features, classes)
        n[f"score_{skip}{suffix}c"] = cropped = L.Crop(skipped, top, axis=2)
        n[f"fuse_{skip}{suffix}"] = top = L.Eltwise(top, cropped, operation=P.Eltwise.SUM)
        enlarged = f"upscore_{skip}"
    last = "upscore" if stride == 32 else f"upscore{stride}"
    n[last + suffix] = top = upsampling(top, classes, stride, learned=learned)
    n[f"score{suffix}"] = L.Crop(top, image, axis=2)


def fcn8s_same_padding(n, data, classes, bias=False, learned=True):
    """Add FCN-8s with BatchNorm and without Crop to the NetSpec `n`, conv1_1 to `score`.

    Every convolution is padded to keep its size and every upsampling to be as large as the features
    it meets, so images have sides that are multiples of 32. bias: let the convolutions before
    BatchNorm have biases, for weights that do; learned: upsampling mixes the classes and starts
    from xavier weights, instead of staying bilinear.
    """
    xavier = {"weight_filler": {"type": "xavier"}}
    settings = {"bias_term": bias, **xavier}

    def add(name, made):
        n[name] = made
        return made

    def enlarged(name, bottom, factor):
        free = {"group": 1, **xavier} if learned else {"group": classes, "weight_filler": _BILINEAR}
        made = upsampling(bottom, classes, factor, learned=learned, pad=factor // 2, **free)
        return add(name, made)

    def scored(name, bottom):
        return add(name, score(bottom, classes, **xavier))

    top = _stages(add, data, 1, batch_norm={}, **settings)
    for index, kernel in ((6, 7), (7, 1)):
        made = _convolution(top, _FC_CHANNELS, kernel, kernel // 2, **settings)
        top = _activated(add, f"fc{index}", index, made, batch_norm={})
    top = scored("score_fr", top)
    name = "upscore2"
    for skip in ("pool4", "pool3"):
        top = enlarged(name, top, 2)
        skipped = scored(f"score_{skip}", n.tops[skip])
        top = add(f"fuse_{skip}", L.Eltwise(top, skipped, operation=P.Eltwise.SUM))
        name = f"upscore_{skip}"
    return enlarged("score", top, 8)
