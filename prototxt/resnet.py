"""ResNet-50 and -101, the classifiers.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (CVPR 2016), with the names and
shapes of the weights that the authors published. A stage's first block halves the image in its
first 1x1 convolutions.
"""

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import solver

# Blocks of the four stages res2 to res5.
_DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


def classifier(n, data, classes, depth, fillers):
    """Add conv1 to fc1000 to the NetSpec `n` on top of `data`; returns fc1000.

    depth: 50 or 101; fillers: for training from nothing, layers name fillers and normalize by
    their batch; without, BatchNorm keeps to stored statistics in training too.
    """
    filled = {"weight_filler": {"type": "msra"}} if fillers else {}
    statistics = {} if fillers else {"use_global_stats": True}

    def convolution(name, bottom, outputs, kernel, relu=True, **settings):
        """Convolution, BatchNorm, Scale and perhaps ReLU, named as the authors did."""
        suffix = name[3:] if name.startswith("res") else f"_{name}"
        n[name] = made = L.Convolution(
            bottom, num_output=outputs, kernel_size=kernel, **settings, **filled
        )
        n[f"bn{suffix}"] = made = L.BatchNorm(made, in_place=True, **statistics)
        n[f"scale{suffix}"] = made = L.Scale(made, bias_term=True, in_place=True)
        if relu:
            n[f"{name}_relu"] = made = L.ReLU(made, in_place=True)
        return made

    # The authors' 50-layer weights have a bias in conv1, though BatchNorm takes it away again.
    bias = {} if depth == 50 else {"bias_term": False}
    top = convolution("conv1", data, 64, 7, pad=3, stride=2, **bias)
    n.pool1 = top = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for stage, blocks in enumerate(_DEPTHS[depth], 2):
        for block in range(blocks):
            top = _bottleneck(n, convolution, top, stage, _block_name(block, blocks, depth, stage))
    n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n.fc1000 = L.InnerProduct(n.pool5, num_output=classes, **filled)
    return n.fc1000


def _block_name(block, blocks, depth, stage):
    """a, b, c, ... ; in the long stages of the 101-layer net a, b1, b2, ..."""
    if depth == 101 and stage in (3, 4):
        return f"b{block}" if block else "a"
    return "abcdefgh"[block]


def _bottleneck(n, convolution, bottom, stage, block):
    """One residual block: 1x1, 3x3 and 1x1 convolutions beside a shortcut."""
    name, width = f"res{stage}{block}", 64 << (stage - 2)
    stride = 2 if block == "a" and stage > 2 else 1
    plain = {"bias_term": False, "pad": 0, "stride": 1}
    shortcut = bottom
    if block == "a":
        shortcut = convolution(
            f"{name}_branch1", bottom, 4 * width, 1, relu=False, **{**plain, "stride": stride}
        )
    top = convolution(f"{name}_branch2a", bottom, width, 1, **{**plain, "stride": stride})
    top = convolution(f"{name}_branch2b", top, width, 3, **{**plain, "pad": 1})
    top = convolution(f"{name}_branch2c", top, 4 * width, 1, relu=False, **plain)
    n[name] = L.Eltwise(shortcut, top)
    n[f"{name}_relu"] = L.ReLU(n[name], in_place=True)
    return n[f"{name}_relu"]


def classifier_solver(network):
    """The paper's recipe: 256 images an update (eight of 32), the rate cut as errors level off."""
    return solver(
        network,
        base_lr=0.1,
        max_iter=600000,
        lr_policy="multistep",
        gamma=0.1,
        stepvalue=[150000, 300000],
        iter_size=8,
        weight_decay=0.0001,
        test_iter=[2000],
        test_interval=5000,
        snapshot=10000,
    )
