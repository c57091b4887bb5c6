"""ResNet-101, the classifier that dilated FCNs start from."""

from .. import classification, resnet


def deploy(classes=1000, channels=3, fillers=False):
    """The classifier of a crop; `fillers` makes it one to train from nothing."""
    return classification.deploy(
        "ResNet-101",
        lambda n, data: resnet.classifier(n, data, classes, 101, fillers),
        (1, channels, 224, 224),
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels, fillers=True),
        resnet.classifier_solver("resnet_101"),
        crop=224,
        batch_sizes=(32, 25),
    )
