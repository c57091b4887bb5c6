"""VGG-16, the classifier that Berkeley's FCN-32s, 16s and 8s start from."""

from .. import classification, vgg
from ..blocks import solver


def deploy(classes=1000, channels=3, fillers=False):
    """The classifier of ten crops; `fillers` names them, for training from nothing."""
    return classification.deploy(
        "VGG_ILSVRC_16_layers",
        lambda n, data: vgg.classifier(n, data, classes, fillers),
        (10, channels, 224, 224),
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels, fillers=True),
        # The paper's recipe; its rate fell when the validation error stopped to, three times.
        solver(
            "vgg16",
            base_lr=0.01,
            max_iter=370000,
            lr_policy="step",
            gamma=0.1,
            stepsize=100000,
            iter_size=4,
            weight_decay=0.0005,
            test_iter=[1000],
            test_interval=1000,
            snapshot=10000,
        ),
        crop=224,
        batch_sizes=(64, 50),
    )
