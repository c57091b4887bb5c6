"""A small FCN for CamVid's street scenes, trained from nothing on a CPU."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from .. import camvid
from ..blocks import (
    database_inputs,
    pixel_accuracy,
    segmentation_loss,
    set_crop_offsets,
    train_val,
)


def deploy(classes=11, channels=3):
    """The network from an image of any size to its scores."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 360, 480]})
    camvid.fcn(n, n.data, classes)
    net = n.to_proto()
    net.name = "FCN-CamVid"
    return set_crop_offsets(net)


def solver():
    """The recipe for `train --augment crop=240x320 flip=yes`; test_iter is for 101 images."""
    return pb.SolverParameter(
        net="train_val.prototxt",
        test_iter=[101],
        test_interval=2000,
        test_initialization=False,
        base_lr=0.05,
        lr_policy="poly",
        power=0.9,
        max_iter=2000,
        momentum=0.9,
        weight_decay=0.0005,
        display=50,
        average_loss=20,
        snapshot=1000,
        snapshot_prefix="fcn_camvid",
    )


def files(classes=11, channels=3):
    """{file name: message}"""
    net = deploy(classes, channels)
    measures = [segmentation_loss(normalize=True), pixel_accuracy()]
    return {
        "train_val.prototxt": train_val(net, database_inputs(batch_size=4), measures),
        "deploy.prototxt": net,
        "solver.prototxt": solver(),
    }
