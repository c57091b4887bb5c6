"""The second of three stages: FCN-16s on generated shapes."""

from .. import shapes_stages


def deploy(classes=6, channels=3):
    """The network from an image of any size to its scores."""
    return shapes_stages.deploy(16, classes, channels)


def files(classes=6, channels=3):
    """{file name: message}"""
    return shapes_stages.files(16, 0.05, 400, classes, channels)
