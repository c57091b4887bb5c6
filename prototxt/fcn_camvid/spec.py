"""A small FCN for CamVid's street scenes, trained from nothing on a CPU."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from .. import camvid
from ..blocks import database_files, finish


def deploy(classes=11, channels=3):
    """The network from an image of any size to its scores."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 360, 480]})
    camvid.fcn(n, n.data, classes)
    return finish(n, "FCN-CamVid")


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
    return database_files(deploy(classes, channels), solver(), batch_size=4)
