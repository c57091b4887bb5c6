"""BVLC's GoogLeNet, the classifier."""

from caffeformat import pb

from .. import classification, googlenet


def deploy(classes=1000, channels=3):
    """The classifier of ten crops."""
    return classification.deploy(
        "GoogleNet",
        lambda n, data: googlenet.classifier(n, data, classes),
        (10, channels, 224, 224),
    )


def solver():
    """BVLC's quick recipe."""
    return pb.SolverParameter(
        net="train_val.prototxt",
        test_iter=[1000],
        test_interval=4000,
        test_initialization=False,
        base_lr=0.01,
        lr_policy="poly",
        power=0.5,
        max_iter=2400000,
        momentum=0.9,
        weight_decay=0.0002,
        display=40,
        average_loss=40,
        snapshot=40000,
        snapshot_prefix="bvlc_googlenet",
    )


def files(classes=1000, channels=3):
    """{file name: message}"""
    return classification.files(
        deploy(classes, channels),
        deploy(classes, channels),
        solver(),
        crop=224,
        batch_sizes=(32, 50),
    )
