"""ResNet-50 with a stem of three convolutions, the classifier that PSPNet starts from."""

from .. import classification, pspnet, resnet


def deploy(classes=1000, channels=3, fillers=False):
    """The classifier of a crop; `fillers` makes it one to train from nothing."""
    return pspnet.classifier(50, classes, channels, fillers)


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels, fillers=True),
        resnet.classifier_solver("pspnet_resnet_50"),
        crop=224,
        batch_sizes=(32, 25),
    )
