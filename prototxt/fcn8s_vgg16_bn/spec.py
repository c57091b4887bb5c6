"""FCN-8s on VGG-16 with BatchNorm, same padding and learned upsampling, as MindSpore's tutorial."""

from caffeformat import NetSpec
from caffeformat import layers as L

from .. import vgg
from ..blocks import database_files, finish, solver

# The input's mean, BGR, and a factor for the tutorial's 1/57.375, 1/57.120 and 1/58.395: Caffe has
# one for all channels.
MEAN = (103.53, 116.28, 123.675)
SCALE = 0.01735


def deploy(classes=21, channels=3, learned=True, bias=False):
    """The network of 512 x 512 images (any multiples of 32 will do); see `fcn8s_same_padding`."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 512, 512]})
    vgg.fcn8s_same_padding(n, n.data, classes, bias, learned)
    return finish(n, "FCN8s-VGG16-BN")


def files(classes=21, channels=3, learned=True, bias=False):
    """{file name: message}"""
    recipe = solver(
        "fcn8s_vgg16_bn",
        base_lr=0.05,
        max_iter=132250,
        weight_decay=0.0001,
        average_loss=20,
        test_iter=[1449],
        test_interval=2645,
        test_initialization=False,
        snapshot=2645,
    )
    net = deploy(classes, channels, learned, bias)
    mean = MEAN if channels == 3 else ()
    return database_files(net, recipe, batch_size=4, mean=mean, scale=SCALE)
