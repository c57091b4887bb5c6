"""GoogLeNet: the classifier and the FCN on it, with the names of BVLC's replication.

Szegedy et al.: Going Deeper with Convolutions (CVPR 2015). Long, Shelhamer, Darrell: Fully
Convolutional Networks for Semantic Segmentation (CVPR 2015).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import WEIGHT_AND_BIAS, score, upsampling
from .classification import Classifier
from .recipes import averaged, classifier_recipe, minibatch_recipe, poly
from .segmentation import Segmentation

if TYPE_CHECKING:
    from caffeformat import NetSpec
    from caffeformat.messages import Top

# Outputs of each module: 1x1, 3x3 reduced and 3x3, 5x5 reduced and 5x5, projection of the pool.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def _max_pooling(bottom: Top, stride: int = 2, **settings: Any) -> Top:
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=stride, **settings)


def _normalization(bottom: Top) -> Top:
    return L.LRN(bottom, local_size=5, alpha=0.0001, beta=0.75)


def _convolution(
    n: NetSpec,
    group: str,
    name: str,
    bottom: Top,
    outputs: int,
    kernel: int,
    std: float,
    **settings: Any,
) -> Top:
    """Add a convolution and its ReLU, `group/name` and `group/relu_name`; returns the ReLU's top.

    The `std` of the fillers is BVLC's; Caffe's xavier filler ignores it.
    """
    n[f"{group}/{name}"] = made = L.Convolution(
        bottom,
        num_output=outputs,
        kernel_size=kernel,
        param=WEIGHT_AND_BIAS,
        weight_filler={"type": "xavier", "std": std},
        bias_filler={"type": "constant", "value": 0.2},
        **settings,
    )
    relu = f"{group}/relu_{name.partition('_s2')[0]}"
    n[relu] = L.ReLU(made, in_place=True)
    return n[relu]


def _inception(n: NetSpec, name: str, bottom: Top) -> Top:
    group, outputs = f"inception_{name}", _MODULES[name]
    one = _convolution(n, group, "1x1", bottom, outputs[0], 1, 0.03)
    three = _convolution(n, group, "3x3_reduce", bottom, outputs[1], 1, 0.09)
    three = _convolution(n, group, "3x3", three, outputs[2], 3, 0.03, pad=1)
    five = _convolution(n, group, "5x5_reduce", bottom, outputs[3], 1, 0.2)
    five = _convolution(n, group, "5x5", five, outputs[4], 5, 0.03, pad=2)
    n[f"{group}/pool"] = pooled = _max_pooling(bottom, stride=1, pad=1)
    pooled = _convolution(n, group, "pool_proj", pooled, outputs[5], 1, 0.1)
    n[f"{group}/output"] = L.Concat(one, three, five, pooled)
    return n[f"{group}/output"]


def trunk(n: NetSpec, data: Top, pad: int = 3) -> dict[str, Top]:
    """Add conv1 to inception_5b to `n` on top of `data`; returns {module: top}.

    pad: pixels of padding around the image for the first convolution.
    """
    top = _convolution(n, "conv1", "7x7_s2", data, 64, 7, 0.1, pad=pad, stride=2)
    n["pool1/3x3_s2"] = _max_pooling(top)
    n["pool1/norm1"] = top = _normalization(n["pool1/3x3_s2"])
    top = _convolution(n, "conv2", "3x3_reduce", top, 64, 1, 0.1)
    top = _convolution(n, "conv2", "3x3", top, 192, 3, 0.03, pad=1)
    n["conv2/norm2"] = _normalization(top)
    n["pool2/3x3_s2"] = top = _max_pooling(n["conv2/norm2"])
    tops = {}
    for name in _MODULES:
        if name in ("4a", "5a"):
            pool = f"pool{int(name[0]) - 1}/3x3_s2"
            n[pool] = top = _max_pooling(top)
        tops[name] = top = _inception(n, name, top)
    return tops


def classifier(n: NetSpec, data: Top, classes: int, fillers: bool = True) -> Top:
    """Add all layers up to the scores to `n` on top of `data`; returns the scores.

    fillers: has no effect, because the published deploy net names its fillers too.
    """
    top = trunk(n, data)["5b"]
    n["pool5/7x7_s1"] = top = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n["pool5/drop_7x7_s1"] = top = L.Dropout(top, dropout_ratio=0.4, in_place=True)
    n["loss3/classifier"] = L.InnerProduct(
        top,
        num_output=classes,
        param=WEIGHT_AND_BIAS,
        weight_filler={"type": "xavier"},
        bias_filler={"type": "constant", "value": 0},
    )
    return n["loss3/classifier"]


def fcn(n: NetSpec, data: Top, classes: int, learned: bool = False) -> Top:
    """Add FCN-GoogLeNet, conv1 to `score` at the size of `data`, to `n`; returns `score`.

    Long et al. leave out the final average pooling. The padding of 100 is that of their other nets:
    with it the features extend past the border of any image, so that every pixel lies between some.
    learned: let the upsampling learn instead of staying bilinear.
    """
    top = trunk(n, data, pad=100)["5b"]
    n["pool5/drop_7x7_s1"] = top = L.Dropout(top, dropout_ratio=0.4, in_place=True)
    n.score_fr = top = score(top, classes)
    # A kernel of 63 has a middle, as all windows before it do, so crop offsets are whole numbers.
    n.upscore = top = upsampling(top, classes, 32, kernel=63, learned=learned)
    n.score = top = L.Crop(top, data, axis=2)
    return top


# BVLC's quick recipe
_CLASSIFIER_RECIPE = classifier_recipe(
    0.01,
    2400000,
    tests=1000,
    every=4000,
    **poly(0.5),
    **averaged(40),
    weight_decay=0.0002,
    display=40,
    snapshot=40000,
)

NETWORKS = (
    Classifier("bvlc_googlenet", "GoogleNet", classifier, _CLASSIFIER_RECIPE, batch_sizes=(32, 50)),
    # Described in the FCN paper, but never released
    Segmentation("voc_fcn_googlenet", "VOC-FCN-GoogLeNet", fcn, 21, minibatch_recipe(5e-5)),
)
