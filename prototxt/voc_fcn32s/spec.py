"""Berkeley's FCN-32s for PASCAL VOC."""

from .. import berkeley


def deploy(classes=21, channels=3, learned=False, width=1):
    """The network; `learned` lets its upsampling learn instead of staying bilinear.

    width: multiplies the channels of every convolution of VGG-16.
    """
    return berkeley.fcn("VOC-FCN32s", 32, {"": classes}, channels, learned=learned, width=width)


def files(classes=21, channels=3, learned=False, width=1):
    """{file name: message}"""
    net = deploy(classes, channels, learned, width)
    return berkeley.database_files(
        "voc_fcn32s", net, base_lr=1e-10, test_images=736, max_iter=100000, channels=channels
    )
