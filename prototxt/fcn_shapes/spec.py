"""The demo's FCN: the crop classifier's layers, slid over whole images."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from .. import shapes
from ..blocks import database_files, finish


def deploy(classes=6, channels=3):
    """The network from an image of any size to its scores."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 128, 128]})
    shapes.fcn(n, n.data, classes)
    return finish(n, "FCN-Shapes")


def solver():
    """A minute's recipe; test_iter is for 100 images."""
    return pb.SolverParameter(
        net="train_val.prototxt",
        test_iter=[25],
        test_interval=400,
        test_initialization=False,
        base_lr=0.02,
        lr_policy="poly",
        power=0.9,
        max_iter=800,
        momentum=0.9,
        weight_decay=0.0005,
        display=50,
        average_loss=20,
        snapshot=400,
        snapshot_prefix="fcn_shapes",
    )


def files(classes=6, channels=3):
    """{file name: message}"""
    return database_files(deploy(classes, channels), solver(), batch_size=4)
