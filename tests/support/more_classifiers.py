"""Classifiers that the project has no folder for, as short specs: VGG-19, SqueezeNet, MobileNet.

`width` divides the channels of every hidden layer, for tests that run them.
"""

from caffeformat import NetSpec
from caffeformat import layers as L
from caffeformat import params as P


def _start(size, channels=3):
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, size, size]})
    return n


def _finish(n, name):
    net = n.to_proto()
    net.name = name
    return net


def _convolution(n, name, bottom, outputs, kernel=1, **settings):
    n[name] = made = L.Convolution(bottom, num_output=outputs, kernel_size=kernel, **settings)
    n[f"relu_{name}"] = L.ReLU(made, in_place=True)
    return n[f"relu_{name}"]


def vgg19(classes=1000, width=1):
    """Simonyan, Zisserman: Very Deep Convolutional Networks (ICLR 2015), configuration E."""
    n = _start(224)
    top = n.data
    for stage, (count, outputs) in enumerate(((2, 64), (2, 128), (4, 256), (4, 512), (4, 512)), 1):
        for number in range(1, count + 1):
            top = _convolution(n, f"conv{stage}_{number}", top, outputs // width, 3, pad=1)
        n[f"pool{stage}"] = top = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    for name in ("fc6", "fc7"):
        n[name] = top = L.InnerProduct(top, num_output=4096 // width)
        n[f"relu_{name}"] = top = L.ReLU(top, in_place=True)
        n[f"drop_{name}"] = top = L.Dropout(top, in_place=True)
    n.fc8 = top = L.InnerProduct(top, num_output=classes)
    n.prob = L.Softmax(top)
    return _finish(n, "VGG-19")


def squeezenet(classes=1000, width=1):
    """Iandola et al.: SqueezeNet (2016), version 1.1: scores, then their mean over the image."""
    n = _start(227)
    top = _convolution(n, "conv1", n.data, 64 // width, 3, stride=2)
    n.pool1 = top = _max_pooling(top)
    for number, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        name, small = f"fire{number}", squeezed // min(width, 16)
        top = _convolution(n, f"{name}/squeeze1x1", top, small)
        one = _convolution(n, f"{name}/expand1x1", top, 4 * small)
        three = _convolution(n, f"{name}/expand3x3", top, 4 * small, 3, pad=1)
        n[f"{name}/concat"] = top = L.Concat(one, three)
        if number in (3, 5):
            n[f"pool{number}"] = top = _max_pooling(top)
    n.drop9 = top = L.Dropout(top, in_place=True)
    top = _convolution(n, "conv10", top, classes)
    n.pool10 = top = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.prob = L.Softmax(top)
    return _finish(n, "SqueezeNet")


def _max_pooling(bottom):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=3, stride=2)


def mobilenet(classes=1000, width=1):
    """Howard et al.: MobileNets (2017): depthwise 3x3 and pointwise 1x1 convolutions."""
    n = _start(224)

    def normalized(name, bottom, outputs, kernel, **settings):
        n[name] = top = L.Convolution(
            bottom, num_output=outputs, kernel_size=kernel, bias_term=False, **settings
        )
        n[f"{name}/bn"] = top = L.BatchNorm(top, in_place=True)
        n[f"{name}/scale"] = top = L.Scale(top, bias_term=True, in_place=True)
        n[f"relu_{name}"] = top = L.ReLU(top, in_place=True)
        return top

    inputs = 32 // width
    top = normalized("conv1", n.data, inputs, 3, pad=1, stride=2)
    blocks = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    blocks += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for number, (outputs, stride) in enumerate(blocks, 2):
        top = normalized(f"conv{number}/dw", top, inputs, 3, pad=1, stride=stride, group=inputs)
        inputs = outputs // width
        top = normalized(f"conv{number}/sep", top, inputs, 1)
    n.pool = top = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    n.fc = top = L.Convolution(top, num_output=classes, kernel_size=1)
    n.prob = L.Softmax(top)
    return _finish(n, "MobileNet")
