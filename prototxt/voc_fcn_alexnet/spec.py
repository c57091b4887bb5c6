"""Berkeley's FCN-AlexNet for PASCAL VOC, on CaffeNet's weights."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from ..alexnet import fcn_trunk
from ..blocks import (
    IMAGENET_MEAN,
    database_inputs,
    pixel_accuracy,
    score,
    segmentation_loss,
    set_crop_offsets,
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
    net = n.to_proto()
    net.name = "VOC-FCN-AlexNet"
    return set_crop_offsets(net)


def solver():
    """Berkeley's recipe; the validation images are VOC 2011's seg valid."""
    return pb.SolverParameter(
        net="train_val.prototxt",
        test_iter=[736],
        test_interval=4000,
        test_initialization=False,
        base_lr=1e-4,
        lr_policy="fixed",
        max_iter=100000,
        iter_size=20,
        momentum=0.9,
        weight_decay=0.0005,
        display=20,
        average_loss=20,
        snapshot=4000,
        snapshot_prefix="voc_fcn_alexnet",
    )


def files(classes=21, channels=3, learned=False):
    """{file name: message}"""
    net = deploy(classes, channels, learned)
    mean = IMAGENET_MEAN if channels == 3 else ()
    measures = [segmentation_loss(normalize=True), pixel_accuracy()]
    return {
        "train_val.prototxt": train_val(net, database_inputs(mean), measures),
        "deploy.prototxt": net,
        "solver.prototxt": solver(),
    }
