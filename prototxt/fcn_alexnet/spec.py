"""DIGITS' FCN-AlexNet: one file for all stages, its deploy net and its solver."""

import math

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from ..alexnet import fcn_trunk
from ..blocks import (
    all_in_one,
    database_inputs,
    finish,
    pixel_accuracy,
    score,
    segmentation_loss,
    solver,
    upsampling,
)


def deploy(classes=21, channels=3, learned=False):
    """The network from an image, 1 x channels x 500 x 500 (any size will do), to its scores.

    `learned` lets the upsampling learn instead of staying bilinear.
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 500, 500]})
    n.data_preprocessed = L.Power(n.data, name="shift", shift=-116.0)
    fc7 = fcn_trunk(n, n.data_preprocessed)
    n.score_fr = score(fc7, classes)
    bilinear = {"group": classes, "weight_filler": {"type": "bilinear"}}
    n.upscore = upsampling(n.score_fr, classes, 32, kernel=63, learned=learned, **bilinear)
    n.score = L.Crop(n.upscore, n.data, axis=2)
    return finish(n, "FCN-AlexNet")


def digits_solver(train_images=1464, val_images=1449, epochs=10, base_lr=1e-4):
    """What DIGITS' form makes of its defaults; the numbers of images are VOC 2012's."""
    iterations = train_images * epochs
    return solver(
        "fcn_alexnet",
        base_lr,
        iterations,
        net="fcn_alexnet.prototxt",
        train_state=pb.NetState(stage=["train"]),
        test_state=[pb.NetState(stage=["val"])],
        test_iter=[val_images],
        test_interval=train_images,
        lr_policy="step",
        gamma=0.1,
        stepsize=math.ceil(0.33 * iterations),
        weight_decay=base_lr / 100,
        display=max(1, min(iterations // (8 * epochs), 5000)),
        snapshot=train_images,
    )


def files(classes=21, channels=3, learned=False):
    """{file name: message}"""
    net = deploy(classes, channels, learned)
    measures = [segmentation_loss(normalize=True), pixel_accuracy()]
    return {
        "fcn_alexnet.prototxt": all_in_one(net, database_inputs(), measures),
        "deploy.prototxt": net,
        "solver.prototxt": digits_solver(),
    }
