"""What Berkeley's FCNs on VGG-16 share: the network of one input, the recipe and the files."""

from caffeformat import NetSpec, pb
from caffeformat import layers as L

from . import vgg
from .blocks import (
    IMAGENET_MEAN,
    database_inputs,
    finish,
    pixel_accuracy,
    segmentation_loss,
    solver,
    train_val,
)

# An image of any size will do; this is the size the published deploy nets state.
SIZE = (500, 500)


def image_input(channels=3):
    """An Input layer of one image."""
    return L.Input(shape={"dim": [1, channels, *SIZE]})


def fcn(name, stride, heads, channels=3, at_once=False, learned=False, **trunk):
    """VGG-16 with FCN heads; `heads` maps each head's suffix to its number of classes.

    trunk: `width`, `batch_norm` and `pad` of `vgg.fcn_trunk`, where not as published.
    """
    n = NetSpec()
    n.data = image_input(channels)
    tops = vgg.fcn_trunk(n, n.data, **trunk)
    for suffix, classes in heads.items():
        vgg.fcn_head(n, tops, n.data, classes, stride, suffix, at_once, learned)
    return finish(n, name)


def heavy_solver(network, base_lr, test_images, max_iter, snapshot=4000):
    """Single images, high momentum, losses summed over an image's pixels.

    snapshot: steps from one snapshot to the next, and from one test to the next.
    """
    return solver(
        network,
        base_lr,
        max_iter,
        momentum=0.99,
        weight_decay=0.0005,
        average_loss=20,
        test_iter=[test_images],
        test_interval=snapshot,
        test_initialization=False,
        snapshot=snapshot,
    )


def database_files(
    network, deploy, base_lr, test_images, max_iter=100000, channels=3, scale=None, snapshot=4000
):
    """{file name: message} of a network that reads one image and one label database.

    scale: what its images are multiplied by, once their mean is subtracted.
    """
    mean = IMAGENET_MEAN if channels == 3 else ()
    measures = [segmentation_loss(normalize=False), pixel_accuracy()]
    return _files(
        deploy,
        train_val(deploy, database_inputs(mean, scale=scale), measures),
        heavy_solver(network, base_lr, test_images, max_iter, snapshot),
    )


def small_files(network, deploy, base_lr, max_iter, channels=3):
    """{file name: message} of a narrow network that learns from nothing in some hundred steps.

    Its images come at about unit size, as fillers expect.
    """
    return database_files(
        network, deploy, base_lr, 24, max_iter, channels, scale=1 / 64, snapshot=100
    )


def python_files(network, deploy, inputs, heads, base_lr, test_images, max_iter=300000):
    """{file name: message} of a network whose images come from Python layers.

    inputs: LayerParameters; heads: (suffix, label blob) of each score.
    """
    losses = []
    for suffix, label in heads:
        loss = segmentation_loss(normalize=False, score=f"score{suffix}", label=label)
        loss.name = loss.top[0] = f"loss{suffix}"
        losses.append(loss)
    return _files(
        deploy,
        train_val(deploy, inputs, losses),
        heavy_solver(network, base_lr, test_images, max_iter),
    )


def siftflow_inputs():
    """Image, semantic and geometric labels of SIFT Flow: the blobs data, sem and geo."""
    settings = {"siftflow_dir": "../data/sift-flow"}
    return _python_layers(
        "siftflow_layers", "SIFTFlowSegDataLayer", ["data", "sem", "geo"], settings
    )


def nyud_inputs(**blobs):
    """Images of NYUDv2 and their label; `blobs` maps blob names to color, depth or hha."""
    settings = {"nyud_dir": "../data/nyud", "tops": [*blobs.values(), "label"]}
    return _python_layers("nyud_layers", "NYUDSegDataLayer", [*blobs, "label"], settings)


def _python_layers(module, layer, tops, settings):
    made = []
    for phase, split in ((pb.TRAIN, "trainval"), (pb.TEST, "test")):
        message = pb.LayerParameter(name="data", type="Python", top=tops)
        message.include.add(phase=phase)
        message.python_param.module = module
        message.python_param.layer = layer
        message.python_param.param_str = str({**settings, "split": split, "seed": 1337})
        made.append(message)
    return made


def _files(deploy, trained, recipe):
    return {
        "train_val.prototxt": trained,
        "deploy.prototxt": deploy,
        "solver.prototxt": recipe,
    }
