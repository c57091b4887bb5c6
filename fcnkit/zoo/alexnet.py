"""AlexNet: BVLC's classifiers, and Berkeley's and DIGITS' FCNs on their layers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from caffeformat import NetSpec, pb
from caffeformat import layers as L
from caffeformat import params as P

from .blocks import WEIGHT_AND_BIAS, all_in_one, score, upsampling
from .classification import Classifier
from .recipes import classifier_recipe, minibatch_recipe, solver, steps
from .segmentation import Segmentation

if TYPE_CHECKING:
    from caffeformat.messages import Top

    from .blocks import Files


def _max_pooling(bottom: Top) -> Top:
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2)


def _normalization(bottom: Top) -> Top:
    return L.LRN(bottom, local_size=5, alpha=0.0001, beta=0.75)


def _dropout(bottom: Top) -> Top:
    return L.Dropout(bottom, dropout_ratio=0.5, in_place=True)


def fcn_trunk(n: NetSpec, data: Top) -> Top:
    """Add conv1 to drop7 to `n` on top of `data`; returns the last, 4096 channels.

    The order is CaffeNet's (pooling, then normalization). With a padding of 100, `fc6` has windows
    to read at the border of any image. All multipliers and fillers are Caffe's defaults.
    """

    def convolution(index: str, bottom: Top, outputs: int, kernel: int, **settings: int) -> Top:
        name = f"fc{index}" if index in "67" else f"conv{index}"
        settings = {"stride": 1, "pad": 0, "group": 1, **settings}
        n[name] = made = L.Convolution(bottom, num_output=outputs, kernel_size=kernel, **settings)
        n[f"relu{index}"] = top = L.ReLU(made, in_place=True)
        return top

    top = convolution("1", data, 96, 11, stride=4, pad=100)
    n.pool1 = _max_pooling(top)
    n.norm1 = _normalization(n.pool1)
    top = convolution("2", n.norm1, 256, 5, pad=2, group=2)
    n.pool2 = _max_pooling(top)
    n.norm2 = _normalization(n.pool2)
    top = convolution("3", n.norm2, 384, 3, pad=1)
    top = convolution("4", top, 384, 3, pad=1, group=2)
    top = convolution("5", top, 256, 3, pad=1, group=2)
    n.pool5 = _max_pooling(top)
    top = convolution("6", n.pool5, 4096, 6)
    n.drop6 = _dropout(top)
    top = convolution("7", n.drop6, 4096, 1)
    n.drop7 = _dropout(top)
    return n.drop7


def fcn(n: NetSpec, data: Top, classes: int, learned: bool = False, filled: bool = False) -> None:
    """Add Berkeley's FCN-AlexNet, conv1 to `score` at the size of the blob `data`, to `n`.

    learned: let the upsampling learn instead of staying bilinear; filled: let it name its filler
    even if it does not learn.
    """
    filler = {"group": classes, "weight_filler": {"type": "bilinear"}} if filled else {}
    n.score_fr = score(fcn_trunk(n, data), classes)
    n.upscore = upsampling(n.score_fr, classes, 32, kernel=63, learned=learned, **filler)
    n.score = L.Crop(n.upscore, n.data, axis=2)


def digits_fcn(n: NetSpec, data: Top, classes: int, learned: bool = False) -> None:
    """Add DIGITS' FCN-AlexNet to `n`: it shifts the colours itself and fills its upsampling."""
    n.data_preprocessed = shifted = L.Power(data, name="shift", shift=-116.0)
    fcn(n, shifted, classes, learned, filled=True)


def classifier(
    n: NetSpec, data: Top, classes: int, fillers: bool, normalize_first: bool, bias: float
) -> Top:
    """Add conv1 to fc8 of a BVLC classifier to `n` on top of `data`; returns fc8.

    normalize_first: normalization before pooling (AlexNet) or after (CaffeNet); fillers: whether
    layers name their fillers, which only training from scratch needs; bias: initial value of the
    biases that Krizhevsky et al. initialize to 1.
    """

    def filled(std: float, value: float) -> dict[str, dict[str, Any]]:
        if not fillers:
            return {}
        return {
            "weight_filler": {"type": "gaussian", "std": std},
            "bias_filler": {"type": "constant", "value": value},
        }

    def convolution(index: int, bottom: Top, start: float, **settings: int) -> Top:
        n[f"conv{index}"] = made = L.Convolution(
            bottom, param=WEIGHT_AND_BIAS, **settings, **filled(0.01, start)
        )
        n[f"relu{index}"] = L.ReLU(made, in_place=True)
        return n[f"relu{index}"]

    def pooling_and_normalization(index: int, bottom: Top) -> Top:
        steps = [("pool", _max_pooling), ("norm", _normalization)]
        for name, make in reversed(steps) if normalize_first else steps:
            n[f"{name}{index}"] = bottom = make(bottom)
        return bottom

    def fully_connected(bottom: Top, outputs: int, std: float, start: float) -> Top:
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


# BVLC's recipe for its AlexNet and CaffeNet
_CLASSIFIER_RECIPE = classifier_recipe(
    0.01, 450000, tests=1000, every=1000, weight_decay=0.0005, **steps(100000)
)


def digits_solver(
    network: str,
    train_images: int = 1464,
    val_images: int = 1449,
    epochs: int = 10,
    base_lr: float = 1e-4,
) -> pb.SolverParameter:
    """Make the solver that DIGITS' form yields by default, for VOC 2012's numbers of images."""
    iterations = train_images * epochs
    return solver(
        network,
        base_lr,
        iterations,
        net=f"{network}.prototxt",
        train_state=pb.NetState(stage=["train"]),
        test_state=[pb.NetState(stage=["val"])],
        test_iter=[val_images],
        test_interval=train_images,
        weight_decay=base_lr / 100,
        display=max(1, min(iterations // (8 * epochs), 5000)),
        snapshot=train_images,
        **steps(math.ceil(0.33 * iterations)),
    )


@dataclass(frozen=True)
class _DigitsSegmentation(Segmentation):
    """A network for DIGITS: one file for all of its stages instead of a train_val.prototxt."""

    def files(self, classes: int | None = None, channels: int = 3, **form: Any) -> Files:
        net = self.deploy(classes, channels, **form)
        return {
            f"{self.name}.prototxt": all_in_one(net, self._inputs(channels), self._measures()),
            "deploy.prototxt": net,
            "solver.prototxt": self.recipe(self.name),
        }


def _published(name: str, title: str, normalize_first: bool, bias: float) -> Classifier:
    build = partial(classifier, normalize_first=normalize_first, bias=bias)
    return Classifier(name, title, build, _CLASSIFIER_RECIPE, crop=227)


NETWORKS = (
    _published("bvlc_alexnet", "AlexNet", normalize_first=True, bias=0.1),
    _published("bvlc_reference_caffenet", "CaffeNet", normalize_first=False, bias=1),
    Segmentation("voc_fcn_alexnet", "VOC-FCN-AlexNet", fcn, 21, minibatch_recipe(1e-4)),
    _DigitsSegmentation("fcn_alexnet", "FCN-AlexNet", digits_fcn, 21, digits_solver, mean=()),
)
