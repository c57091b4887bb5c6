"""Narrow FCN-32s with BatchNorm, to learn from nothing; folded, shapes_fcn32s starts from it."""

from .. import berkeley
from ..blocks import IMAGENET_MEAN, database_files, solver


def deploy(classes=6, channels=3, learned=False, width=1 / 8):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    return berkeley.fcn(
        "Shapes-FCN32s-BN",
        32,
        {"": classes},
        channels,
        learned=learned,
        width=width,
        batch_norm={"moving_average_fraction": 0.95},
        pad=1,
    )


def files(classes=6, channels=3, learned=False, width=1 / 8):
    """{file name: message}"""
    recipe = solver(
        "shapes_fcn32s_bn",
        0.05,
        1500,
        lr_policy="poly",
        power=0.9,
        weight_decay=0.0005,
        average_loss=20,
        test_iter=[24],
        test_interval=500,
        test_initialization=False,
        snapshot=500,
    )
    mean = IMAGENET_MEAN if channels == 3 else ()
    net = deploy(classes, channels, learned, width)
    return database_files(net, recipe, batch_size=8, mean=mean, scale=1 / 64)
