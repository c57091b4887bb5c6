"""FCN-GoogLeNet for PASCAL VOC, which the FCN paper describes and nobody released."""

from caffeformat import NetSpec

from .. import googlenet
from ..berkeley import image_input
from ..blocks import IMAGENET_MEAN, database_files, finish, solver


def deploy(classes=21, channels=3, learned=False):
    """The network from an image, 1 x channels x 500 x 500 (any size will do), to its scores.

    `learned` lets the upsampling learn instead of staying bilinear.
    """
    n = NetSpec()
    n.data = image_input(channels)
    googlenet.fcn(n, n.data, classes, learned)
    return finish(n, "VOC-FCN-GoogLeNet")


def files(classes=21, channels=3, learned=False):
    """{file name: message}"""
    # The paper's minibatch of 20; its images have many sizes, so they come one by one.
    recipe = solver(
        "voc_fcn_googlenet",
        base_lr=5e-5,
        max_iter=100000,
        iter_size=20,
        weight_decay=0.0005,
        average_loss=20,
        test_iter=[736],
        test_interval=4000,
        test_initialization=False,
        snapshot=4000,
    )
    net = deploy(classes, channels, learned)
    mean = IMAGENET_MEAN if channels == 3 else ()
    return database_files(net, recipe, batch_size=1, mean=mean)
