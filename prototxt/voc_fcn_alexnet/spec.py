"""Berkeley's FCN-AlexNet for PASCAL VOC, on CaffeNet's weights."""

from caffeformat import NetSpec
from caffeformat import layers as L

from ..alexnet import fcn_trunk
from ..blocks import (
    IMAGENET_MEAN,
    database_inputs,
    finish,
    pixel_accuracy,
    score,
    segmentation_loss,
    solver,
    train_val,
    upsampling,
)


def deploy(classes=21, channels=3, learned=False):
    """The network from an image, 1 x channels x 500 x 500 (any size will do), to its scores.

    `learned` lets the upsampling learn instead of staying bilinear.
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 500, 500]})
    fc7 = fcn_trunk(n, n.data)
    n.score_fr = score(fc7, classes)
    n.upscore = upsampling(n.score_fr, classes, 32, kernel=63, learned=learned)
    n.score = L.Crop(n.upscore, n.data, axis=2)
    return finish(n, "VOC-FCN-AlexNet")


def files(classes=21, channels=3, learned=False):
    """{file name: message}"""
    net = deploy(classes, channels, learned)
    mean = IMAGENET_MEAN if channels == 3 else ()
    measures = [segmentation_loss(normalize=True), pixel_accuracy()]
    return {
        "train_val.prototxt": train_val(net, database_inputs(mean), measures),
        "deploy.prototxt": net,
        # Berkeley's recipe; the validation images are VOC 2011's seg valid.
        "solver.prototxt": solver(
            "voc_fcn_alexnet",
            base_lr=1e-4,
            max_iter=100000,
            iter_size=20,
            weight_decay=0.0005,
            average_loss=20,
            test_iter=[736],
            test_interval=4000,
            test_initialization=False,
            snapshot=4000,
        ),
    }
