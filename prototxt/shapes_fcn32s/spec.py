"""The first of three stages: FCN-32s on generated shapes."""

from .. import shapes_stages


def deploy(classes=6, channels=3):
    """The network from an image of any size to its scores."""
    return shapes_stages.deploy(32, classes, channels)


def files(classes=6, channels=3):
    """{file name: message}"""
    return shapes_stages.files(32, 0.1, 800, classes, channels)
