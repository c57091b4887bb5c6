"""FCN on a dilated ResNet-50, as GluonCV has it, for PASCAL VOC."""

from .. import fcn_resnet


def deploy(classes=21, channels=3, **form):
    """The network; `form` as `fcn_resnet.deploy` takes it: learned, auxiliary, older_head, ..."""
    return fcn_resnet.deploy(50, classes, channels, **form)


def files(classes=21, channels=3, **form):
    """{file name: message}"""
    return fcn_resnet.files(50, classes, channels, **form)
