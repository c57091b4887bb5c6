"""A small training net with all that a ResNet has, and four batches for it."""

import numpy as np

from caffeformat import NetSpec, layers

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.randn(4, 2, 3, 12, 12).astype(np.float32)
LABELS = RANDOM.randint(0, 4, (4, 2, 1, 12, 12)).astype(np.float32)


def _norm(spec, name, top):
    spec[f"{name}_bn"] = norm = layers.BatchNorm(top, in_place=name.endswith("a"))
    spec[f"{name}_scale"] = scale = layers.Scale(norm, in_place=True, bias_term=True)
    return scale


def _conv(spec, name, bottom, outputs, kernel=3):
    spec[name] = top = layers.Convolution(
        bottom, num_output=outputs, kernel_size=kernel, pad=kernel // 2, bias_term=False,
        weight_filler={"type": "msra"},
    )  # fmt: skip
    return _norm(spec, name, top)


def residual_net():
    """Three residual blocks with all that a ResNet has, an upsampled head and a second loss."""
    spec = NetSpec()
    spec.data = layers.Input(shape=[{"dim": list(IMAGES[0].shape)}])
    spec.label = layers.Input(shape=[{"dim": list(LABELS[0].shape)}])
    top = spec.data
    for block in range(3):
        a = _conv(spec, f"{block}a", top, 6)
        spec[f"{block}a_relu"] = a = layers.ReLU(a, in_place=True)
        b = _conv(spec, f"{block}b", a, 8)
        other = _conv(spec, f"{block}s", top, 8, kernel=1) if block == 0 else top
        spec[f"{block}_sum"] = top = layers.Eltwise(b, other)
        spec[f"{block}_relu"] = top = layers.ReLU(top, in_place=True)
        if block == 1:
            spec.aux_score = layers.Convolution(
                top, num_output=4, kernel_size=1, weight_filler={"type": "msra"}
            )
            spec.aux_loss = layers.SoftmaxWithLoss(spec.aux_score, spec.label, loss_weight=0.4)
    spec.pool = layers.Pooling(top, kernel_size=2, stride=2)
    spec.drop = layers.Dropout(spec.pool, in_place=True)
    spec.score = layers.Convolution(
        spec.pool, num_output=4, kernel_size=1, weight_filler={"type": "msra"}
    )
    spec.large = layers.Interp(spec.score, height=14, width=14)
    spec.cut = layers.Crop(spec.large, spec.label, offset=1)
    spec.loss = layers.SoftmaxWithLoss(spec.cut, spec.label)
    return spec.to_proto()
