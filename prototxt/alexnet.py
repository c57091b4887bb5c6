"""AlexNet's layers: the trunk of Berkeley's and DIGITS' FCNs, and the classifier."""

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import WEIGHT_AND_BIAS, solver


def _max_pooling(bottom):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2)


def _normalization(bottom):
    return L.LRN(bottom, local_size=5, alpha=0.0001, beta=0.75)


def _dropout(bottom):
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def fcn_trunk(n, data):
    """Add conv1 to drop7 to the NetSpec `n` on top of `data`; returns the last, 4096 channels.

    CaffeNet's order (pooling, then normalization). The padding of 100 leaves `fc6` something to
    see at the border of any image. All multipliers and fillers are Caffe's defaults.
    """

    def convolution(name, relu, bottom, outputs, kernel, stride=1, pad=0, group=1):
        n[name] = made = L.Convolution(
            bottom, num_output=outputs, pad=pad, kernel_size=kernel, group=group, stride=stride
        )
        n[relu] = L.ReLU(made, in_place=True)
        return n[relu]

    top = convolution("conv1", "relu1", data, 96, 11, stride=4, pad=100)
    n.pool1 = _max_pooling(top)
    n.norm1 = _normalization(n.pool1)
    top = convolution("conv2", "relu2", n.norm1, 256, 5, pad=2, group=2)
    n.pool2 = _max_pooling(top)
    n.norm2 = _normalization(n.pool2)
    top = convolution("conv3", "relu3", n.norm2, 384, 3, pad=1)
    top = convolution("conv4", "relu4", top, 384, 3, pad=1, group=2)
    top = convolution("conv5", "relu5", top, 256, 3, pad=1, group=2)
    n.pool5 = _max_pooling(top)
    top = convolution("fc6", "relu6", n.pool5, 4096, 6)
    n.drop6 = _dropout(top)
    top = convolution("fc7", "relu7", n.drop6, 4096, 1)
    n.drop7 = _dropout(top)
    return n.drop7


def classifier(n, data, classes, fillers, normalize_first, bias):
    """Add conv1 to fc8 of a BVLC classifier to the NetSpec `n` on top of `data`; returns fc8.

    normalize_first: normalization before pooling (AlexNet) or after (CaffeNet); fillers: whether
    layers name their fillers, which only training from nothing needs; bias: what the biases that
    Krizhevsky et al. start at 1 start at.
    """

    def filled(std, value):
        if not fillers:
            return {}
        return {
            "weight_filler": {"type": "gaussian", "std": std},
            "bias_filler": {"type": "constant", "value": value},
        }

    def convolution(index, bottom, start, **settings):
        n[f"conv{index}"] = made = L.Convolution(
            bottom, param=WEIGHT_AND_BIAS, **settings, **filled(0.01, start)
        )
        n[f"relu{index}"] = L.ReLU(made, in_place=True)
        return n[f"relu{index}"]

    def pooling_and_normalization(index, bottom):
        steps = [("pool", _max_pooling), ("norm", _normalization)]
        for name, make in reversed(steps) if normalize_first else steps:
            n[f"{name}{index}"] = bottom = make(bottom)
        return bottom

    def fully_connected(bottom, outputs, std, start):
        return L.InnerProduct(
            bottom, num_output=outputs, param=WEIGHT_AND_BIAS, **filled(std, start)
        )

    top = convolution(1, data, 0, num_output=96, kernel_size=11, stride=4)
    top = pooling_and_normalization(1, top)
    top = convolution(2, top, bias, num_output=256, pad=2, kernel_size=5, group=2)
    top = pooling_and_normalization(2, top)
    top = convolution(3, top, 0, num_output=384, pad=1, kernel_size=3)
    top = convolution(4, top, bias, num_output=384, pad=1, kernel_size=3, group=2)
    top = convolution(5, top, bias, num_output=256, pad=1, kernel_size=3, group=2)
    n.pool5 = top = _max_pooling(top)
    for index in (6, 7):
        n[f"fc{index}"] = top = fully_connected(top, 4096, 0.005, bias)
        n[f"relu{index}"] = top = L.ReLU(top, in_place=True)
        n[f"drop{index}"] = top = _dropout(top)
    n.fc8 = fully_connected(top, classes, 0.01, 0)
    return n.fc8


def classifier_solver(network):
    """BVLC's recipe for its AlexNet and CaffeNet."""
    return solver(
        network,
        base_lr=0.01,
        max_iter=450000,
        lr_policy="step",
        gamma=0.1,
        stepsize=100000,
        weight_decay=0.0005,
        test_iter=[1000],
        test_interval=1000,
        snapshot=10000,
    )
