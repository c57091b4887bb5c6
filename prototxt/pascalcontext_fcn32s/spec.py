"""Berkeley's FCN-32s for PASCAL-Context."""

from .. import berkeley


def deploy(classes=60, channels=3, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    return berkeley.fcn("PASCALContext-FCN32s", 32, {"": classes}, channels, learned=learned)


def files(classes=60, channels=3, learned=False):
    """{file name: message}"""
    net = deploy(classes, channels, learned)
    return berkeley.database_files(
        "pascalcontext_fcn32s",
        net,
        base_lr=1e-10,
        test_images=5105,
        max_iter=300000,
        channels=channels,
    )
