"""PSPNet on ResNet-50, as published for ADE20K."""

from .. import pspnet


def deploy(classes=150, channels=3, **form):
    """The network; `form` as `pspnet.deploy` takes it: size, learned, auxiliary, frozen."""
    return pspnet.deploy(50, classes, channels, **form)


def files(classes=150, channels=3, **form):
    """{file name: message}"""
    return pspnet.files(50, classes, channels, max_iter=150000, test_images=2000, **form)
