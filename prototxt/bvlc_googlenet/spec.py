"""BVLC's GoogLeNet, the classifier."""

from .. import classification, googlenet
from ..blocks import solver


def deploy(classes=1000, channels=3):
    """The classifier of ten crops."""
    return classification.deploy(
        "GoogleNet",
        lambda n, data: googlenet.classifier(n, data, classes),
        (10, channels, 224, 224),
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels),
        # BVLC's quick recipe
        solver(
            "bvlc_googlenet",
            base_lr=0.01,
            max_iter=2400000,
            lr_policy="poly",
            power=0.5,
            weight_decay=0.0002,
            display=40,
            average_loss=40,
            test_iter=[1000],
            test_interval=4000,
            test_initialization=False,
            snapshot=40000,
        ),
        crop=224,
        batch_sizes=(32, 50),
    )
