"""FCN on a dilated ResNet, as GluonCV has it."""

from caffeformat import NetSpec
from caffeformat import layers as L

from . import dilated, resnet
from .blocks import IMAGENET_MEAN, finish, solver

# 50 passes over the 10,582 images of VOC 2012 and SBD, 16 at a time; one pass between tests.
_ITERATIONS, _PASS = 33069, 661


def deploy(
    depth,
    classes=21,
    channels=3,
    learned=False,
    auxiliary=False,
    older_head=False,
    frozen=False,
    v1b=False,
):
    """The network of 480 x 480 images (any size will do); `depth` is 50 or 101.

    learned: learned upsampling instead of resizing; auxiliary: a second head, on stage 4 of 2 to 5
    (the third); older_head: that of the tutorial's first version; frozen: BatchNorm keeps to stored
    statistics in training, for small batches; v1b: the form of torchvision's and GluonCV's
    classifiers instead of that of the authors' weights.
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 480, 480]})
    style = resnet.V1B if v1b else resnet.AUTHORS
    settings = dilated.batch_norm(0.9, frozen)
    units = resnet.Units(n, style.normalized, True, settings)
    tops = resnet.trunk(units, n.data, depth, style, dilated=True)
    if auxiliary:
        dilated.auxiliary_head(n, settings, tops[4], n.data, classes, older_head)
    heads = dilated.head_units(n, settings)
    scores = dilated.head(heads, "head", tops[5], 512, classes, older_head)
    dilated.enlarge(n, scores, n.data, classes, learned)
    return finish(n, f"FCN-ResNet-{depth}")


def files(depth, classes=21, channels=3, auxiliary=False, **form):
    """{file name: message}; `form` are further arguments of `deploy`."""
    # GluonCV's first stage, on SBD's images too; four times four images an update.
    recipe = solver(
        f"fcn_resnet_{depth}",
        base_lr=0.001,
        max_iter=_ITERATIONS,
        lr_policy="poly",
        power=0.9,
        iter_size=4,
        weight_decay=0.0001,
        average_loss=20,
        test_iter=[1449],
        test_interval=_PASS,
        test_initialization=False,
        snapshot=_PASS,
    )
    return dilated.files(
        deploy(depth, classes, channels, **form),
        deploy(depth, classes, channels, auxiliary=auxiliary, **form),
        recipe,
        batch_size=4,
        mean=IMAGENET_MEAN if channels == 3 else (),
        auxiliary_weight=0.5,
    )
