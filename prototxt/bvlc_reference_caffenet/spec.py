"""BVLC's CaffeNet, the classifier that Berkeley's FCN-AlexNet starts from."""

from .. import alexnet, classification


def deploy(classes=1000, channels=3, fillers=False):
    """The classifier of ten crops; `fillers` names them, for training from nothing."""
    return classification.deploy(
        "CaffeNet",
        lambda n, data: alexnet.classifier(
            n, data, classes, fillers, normalize_first=False, bias=1
        ),
        (10, channels, 227, 227),
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels, fillers=True),
        alexnet.classifier_solver("bvlc_reference_caffenet"),
        crop=227,
    )
