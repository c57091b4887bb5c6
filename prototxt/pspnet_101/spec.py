"""PSPNet on ResNet-101, as published for PASCAL VOC."""

from .. import pspnet


def deploy(classes=21, channels=3, **form):
    """The network; `form` as `pspnet.deploy` takes it: size, learned, auxiliary, frozen."""
    return pspnet.deploy(101, classes, channels, **form)


def files(classes=21, channels=3, **form):
    """{file name: message}"""
    return pspnet.files(101, classes, channels, max_iter=30000, test_images=1449, **form)
