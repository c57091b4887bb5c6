"""VGG-16 with BatchNorm behind each convolution, the classifier, as torchvision has it."""

from .. import classification, vgg
from ..blocks import solver


def deploy(classes=1000, channels=3, fillers=False):
    """The classifier of ten crops; `fillers` names them, for training from nothing."""
    return classification.deploy(
        "VGG_16_BN",
        lambda n, data: vgg.classifier(n, data, classes, fillers, normalized=True),
        (10, channels, 224, 224),
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels, fillers=True),
        # torchvision's recipe: 90 passes over ImageNet's 1,281,167 images, 256 at a time.
        solver(
            "vgg16_bn",
            base_lr=0.01,
            max_iter=450000,
            lr_policy="step",
            gamma=0.1,
            stepsize=150000,
            iter_size=4,
            weight_decay=0.0001,
            test_iter=[1000],
            test_interval=5000,
            snapshot=10000,
        ),
        crop=224,
        batch_sizes=(64, 50),
    )
