"""The demo's classifier: which shape is in the middle of a crop."""

from caffeformat import pb

from .. import classification, shapes

BATCH = 32


def deploy(classes=6, channels=3):
    """The classifier of one crop."""
    return classification.deploy(
        "ShapesClassifier",
        lambda n, data: shapes.classifier(n, data, classes),
        (1, channels, shapes.CROP, shapes.CROP),
    )


def solver():
    """A minute's recipe; test_iter is for 400 crops."""
    return pb.SolverParameter(
        net="train_val.prototxt",
        test_iter=[8],
        test_interval=400,
        test_initialization=False,
        base_lr=0.02,
        lr_policy="poly",
        power=0.9,
        max_iter=1600,
        momentum=0.9,
        weight_decay=0.0005,
        display=100,
        average_loss=20,
        snapshot=1600,
        snapshot_prefix="shapes_classifier",
    )


def files(classes=6, channels=3):
    """{file name: message}"""
    made = classification.files(
        deploy(classes, channels),
        deploy(classes, channels),
        solver(),
        crop=shapes.CROP,
        batch_sizes=(BATCH, 50),
    )
    for layer in made["train_val.prototxt"].layer:
        # The trunk shifts the colours itself.
        del layer.transform_param.mean_value[:]
    return made
