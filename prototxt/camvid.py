"""A small FCN with batch normalization, for street scenes on a CPU.

Stride 8 is reached early, where convolutions are cheap; dilated ones then see most of the image.
Two skips bring back what the strides lost.
"""

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import FIXED, WEIGHT_AND_BIAS

_SCORE_FILLER = {"weight_filler": {"type": "gaussian", "std": 0.01}}
_STAGE3_DILATIONS = (1, 2, 4, 8, 16)


def _normalized(n, name, bottom, channels, kernel, stride=1, dilation=1, relu=True):
    """Convolution, BatchNorm, Scale and ReLU, the last three in place; returns the top."""
    n[name] = L.Convolution(
        bottom,
        num_output=channels,
        kernel_size=kernel,
        stride=stride,
        pad=dilation * (kernel // 2),
        dilation=dilation,
        bias_term=False,
        weight_filler={"type": "msra"},
        param=WEIGHT_AND_BIAS[:1],
    )
    n[f"{name}_bn"] = L.BatchNorm(
        n.tops[name], batch_norm_param={"moving_average_fraction": 0.99}, in_place=True
    )
    n[f"{name}_scale"] = top = L.Scale(n.tops[f"{name}_bn"], bias_term=True, in_place=True)
    if relu:
        n[f"{name}_relu"] = top = L.ReLU(top, in_place=True)
    return top


def _doubled(n, name, bottom, channels):
    """Bilinear enlargement by 2, fixed.

    Padded convolutions with odd kernels and stride 2 keep every second pixel, so a kernel of 3 puts
    each value back where it came from; one of 4, as behind pooling, would be off by half a pixel.
    """
    n[name] = L.Deconvolution(
        bottom,
        param=FIXED,
        convolution_param={
            "num_output": channels,
            "group": channels,
            "bias_term": False,
            "kernel_size": 3,
            "stride": 2,
            "weight_filler": {"type": "bilinear"},
        },
    )
    return n.tops[name]


def _score(n, name, bottom, classes):
    n[name] = L.Convolution(
        bottom, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS, **_SCORE_FILLER
    )
    return n.tops[name]


def _fused(n, name, coarse, fine):
    """`coarse`, cropped to the size of `fine`, plus `fine`."""
    n[f"{name}_crop"] = cropped = L.Crop(coarse, fine, axis=2)
    n[name] = L.Eltwise(cropped, fine, operation=P.Eltwise.SUM)
    return n.tops[name]


def fcn(n, data, classes, widths=(24, 48, 96)):
    """Add the network to the NetSpec `n` on top of `data` (N x 3 x H x W, BGR, 0..255).

    widths: channels at strides 2, 4 and 8. The last top is `score`, N x classes x H x W.
    """
    first, second, third = widths
    # (x - 104) / 60: about zero mean and unit variance on street scenes.
    n.shifted = L.Power(data, name="shift", scale=1 / 60, shift=-104 / 60)
    stride2 = _normalized(n, "conv1", n.shifted, first, kernel=5, stride=2)
    top = _normalized(n, "conv2_1", stride2, second, kernel=3, stride=2)
    stride4 = _normalized(n, "conv2_2", top, second, kernel=3)
    top = _normalized(n, "conv3_1", stride4, third, kernel=3, stride=2)
    for number, dilation in enumerate(_STAGE3_DILATIONS, 2):
        top = _normalized(n, f"conv3_{number}", top, third, kernel=3, dilation=dilation)
    coarse = _normalized(n, "reduce8", top, second, kernel=1, relu=False)
    fine = _normalized(n, "reduce4", stride4, second, kernel=1, relu=False)
    fused = _fused(n, "fuse4", _doubled(n, "up8", coarse, second), fine)
    n.fuse4_relu = L.ReLU(fused, in_place=True)
    top = _normalized(n, "conv4", n.fuse4_relu, second, kernel=3)
    top = _doubled(n, "up4", _score(n, "score4", top, classes), classes)
    top = _fused(n, "fuse2", top, _score(n, "score2", stride2, classes))
    n.score = L.Crop(_doubled(n, "up2", top, classes), data, axis=2)
    return n.score
