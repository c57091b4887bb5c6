"""Berkeley's FCN-8s for PASCAL-Context."""

from .. import berkeley


def deploy(classes=60, channels=3, learned=False):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    return berkeley.fcn("PASCALContext-FCN8s", 8, {"": classes}, channels, learned=learned)


def files(classes=60, channels=3, learned=False):
    """{file name: message}"""
    net = deploy(classes, channels, learned)
    return berkeley.database_files(
        "pascalcontext_fcn8s",
        net,
        base_lr=1e-14,
        test_images=5105,
        max_iter=300000,
        channels=channels,
    )
