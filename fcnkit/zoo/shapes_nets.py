"""The demo's networks: a classifier of small crops, and an FCN-8s-like net on the same layers.

Small enough to train in a minute on two cores, but built as the large ones are: a trunk of
convolution and pooling, a fully connected layer that surgery turns into a convolution, skips, and
fixed bilinear upsampling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caffeformat import layers as L
from caffeformat import params as P

from .blocks import FIXED, WEIGHT_AND_BIAS
from .classification import Classifier
from .recipes import averaged, classifier_recipe, poly, segmentation_recipe
from .segmentation import Segmentation

if TYPE_CHECKING:
    from caffeformat import NetSpec
    from caffeformat.messages import Top

# (kernel, channels) of the three convolutions; each is followed by a pooling by 2.
_STAGES = ((5, 16), (3, 32), (3, 64))
FC6_CHANNELS = 128
# Side of the crops that the classifier sees, and of their features before fc6.
CROP = 56
FC6_KERNEL = CROP // 2 ** len(_STAGES)

_FILLERS: dict[str, Any] = {"weight_filler": {"type": "msra"}}


def trunk(n: NetSpec, data: Top) -> Top:
    """Add `shift` to `pool3` to `n` on top of `data` (N x 3 x H x W, BGR, 0..255)."""
    # (x - 128) / 64, so that training starts with inputs of about unit size.
    n.shifted = top = L.Power(data, name="shift", scale=1 / 64, shift=-2.0)
    for stage, (kernel, channels) in enumerate(_STAGES, 1):
        n[f"conv{stage}"] = top = L.Convolution(
            top,
            num_output=channels,
            kernel_size=kernel,
            pad=kernel // 2,
            param=WEIGHT_AND_BIAS,
            **_FILLERS,
        )
        n[f"relu{stage}"] = top = L.ReLU(top, in_place=True)
        n[f"pool{stage}"] = top = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    return top


def _after_fc6(n: NetSpec, fc6: Top) -> Top:
    n.fc6 = fc6
    n.relu6 = top = L.ReLU(fc6, in_place=True)
    n.drop6 = top = L.Dropout(top, dropout_ratio=0.5, in_place=True)
    return top


def classifier(n: NetSpec, data: Top, classes: int, fillers: bool = True) -> Top:
    """Add trunk, fc6 and fc7 (the scores) to `n`; returns fc7, N x classes.

    fillers: has no effect, because the layers always name their fillers.
    """
    pool3 = trunk(n, data)
    fc6 = L.InnerProduct(pool3, num_output=FC6_CHANNELS, param=WEIGHT_AND_BIAS, **_FILLERS)
    n.fc7 = top = L.InnerProduct(
        _after_fc6(n, fc6),
        num_output=classes,
        param=WEIGHT_AND_BIAS,
        weight_filler={"type": "gaussian", "std": 0.01},
    )
    return top


def fcn(n: NetSpec, data: Top, classes: int) -> Top:
    """Add the FCN of stride 1 to `n`; returns its last top, `score`, N x classes x H x W.

    fc6 is padded so that every pixel has a window; three skips start at zero and recover the detail
    that pooling lost.
    """
    pool3 = trunk(n, data)
    fc6 = L.Convolution(
        pool3,
        num_output=FC6_CHANNELS,
        kernel_size=FC6_KERNEL,
        pad=FC6_KERNEL // 2,
        param=WEIGHT_AND_BIAS,
        **_FILLERS,
    )
    n.score_fr = top = L.Convolution(
        _after_fc6(n, fc6),
        num_output=classes,
        kernel_size=1,
        param=WEIGHT_AND_BIAS,
        weight_filler={"type": "gaussian", "std": 0.01},
    )
    for stage in range(len(_STAGES), 0, -1):
        features = n.tops[f"relu{stage}"]
        n[f"upscore{stage}"] = enlarged = L.Deconvolution(
            top,
            param=FIXED,
            convolution_param={
                "num_output": classes,
                "group": classes,
                "bias_term": False,
                "kernel_size": 4,
                "stride": 2,
                "weight_filler": {"type": "bilinear"},
            },
        )
        n[f"score{stage}"] = skip = L.Convolution(
            features, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS
        )
        n[f"upscore{stage}c"] = cropped = L.Crop(enlarged, skip, axis=2)
        fused = "score" if stage == 1 else f"fuse{stage}"
        n[fused] = top = L.Eltwise(cropped, skip, operation=P.Eltwise.SUM)
    return top


NETWORKS = (
    # Which shape is in the middle of a crop. A minute's recipe; test_iter is for 400 crops. The
    # trunk shifts the colours itself.
    Classifier(
        "shapes_classifier",
        "ShapesClassifier",
        classifier,
        classifier_recipe(
            0.02,
            1600,
            tests=8,
            every=400,
            **poly(),
            **averaged(20),
            weight_decay=0.0005,
            display=100,
            snapshot=1600,
        ),
        crop=CROP,
        batch_sizes=(32, 50),
        crops=1,
        classes=6,
        mean=(),
    ),
    # The classifier's layers, slid over whole images. A minute's recipe; test_iter is for 100
    # images.
    Segmentation(
        "fcn_shapes",
        "FCN-Shapes",
        fcn,
        6,
        segmentation_recipe(0.02, 800, tests=25, every=400, **poly(), display=50),
        size=(128, 128),
        batch_size=4,
        mean=(),
    ),
)
