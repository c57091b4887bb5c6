"""The last of three stages: Berkeley's FCN-8s, narrow, on generated shapes."""

from .. import berkeley


def deploy(classes=6, channels=3, learned=False, width=1 / 8):
    """The network; `learned` lets its upsampling learn instead of staying bilinear."""
    return berkeley.fcn("Shapes-FCN8s", 8, {"": classes}, channels, learned=learned, width=width)


def files(classes=6, channels=3, learned=False, width=1 / 8):
    """{file name: message}"""
    return berkeley.small_files(
        "shapes_fcn8s",
        deploy(classes, channels, learned, width),
        base_lr=1e-10,
        max_iter=250,
        channels=channels,
    )
