"""FCN-8s on VGG-16 with BatchNorm, of MindSpore's tutorial on image segmentation.

`FCN8s.ckpt` holds the whole network, `fcn8s_vgg16_pretrain.ckpt` the convolutions that training
starts from. Layers are named as in the zoo's `fcn8s_vgg16_bn`, whose weights they become.
Convolutions of MindSpore pad to keep the size (`pad_mode="same"`) and have no bias by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    from caffeformat.messages import Top

    from .builder import NetBuilder

# What a checkpoint of a training run holds beside the network: states of the optimizer, counters.
TRAINING_ONLY = (
    r"(moments|moment[12]|accum)\..*|learning_rate|momentum|weight_decay|global_step|epoch_num|"
    r"step_num|beta[12]_power|scale_sense|current_iterator_step|last_overflow_iterator_step"
)

# Convolutions of the five stages; each is followed by BatchNorm and ReLU, which are counted too.
_STAGES = (2, 2, 3, 3, 3)
_MODULES = 3
_STRIDE = 32


def fcn8s(b: NetBuilder) -> None:
    """Add the layers whose weights there are to the `NetBuilder` `b`: up to pool5, fc7 or `score`.

    Raises `InputError` unless the input's sides are multiples of 32: only then do the scores of
    different strides fit each other.
    """
    height, width = b.size(b.n.data)
    if height % _STRIDE or width % _STRIDE:
        raise InputError(
            f"an input of {height} x {width}: the network halves it five times; choose multiples "
            f"of {_STRIDE} as height and width"
        )
    pools = {}
    top = b.n.data
    for stage, count in enumerate(_STAGES, 1):
        for position in range(1, count + 1):
            name, index = f"{stage}_{position}", _MODULES * (position - 1)
            top = _unit(b, f"conv{name}", name, f"conv{stage}", index, top)
        pools[stage] = top = b.max_pooling(f"pool{stage}", top, 2, 2, ceil=True)
    scored = _has(b, "score_", "upscore")
    if scored or _has(b, "conv6.", "conv7."):
        for number in (6, 7):
            top = _unit(b, f"fc{number}", str(number), f"conv{number}", 0, top)
    if not scored:
        return
    top = _score(b, "score_fr", top)
    enlarged = "upscore2"
    for stage in (4, 3):
        top = b.learned_enlarging(enlarged, enlarged, top, 2)
        top = b.added(f"fuse_pool{stage}", top, _score(b, f"score_pool{stage}", pools[stage]))
        enlarged = f"upscore_pool{stage}"
    b.learned_enlarging("score", "upscore8", top, 8)


def _has(b: NetBuilder, *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in b.tensors)


def _unit(b: NetBuilder, layer: str, suffix: str, prefix: str, index: int, bottom: Top) -> Top:
    """Add the convolution `prefix.index`, its BatchNorm and a ReLU."""
    top = b.convolution(layer, f"{prefix}.{index}", bottom)
    top = b.batch_norm(f"bn{suffix}", f"scale{suffix}", f"{prefix}.{index + 1}", top)
    return b.relu(f"relu{suffix}", top)


def _score(b: NetBuilder, name: str, bottom: Top) -> Top:
    b.zero_bias(name)
    return b.convolution(name, name, bottom)
