"""PSPNet-50 and -101, and the classifiers with a stem of three convolutions that they start from.

Zhao, Shi, Qi, Wang, Jia: Pyramid Scene Parsing Network (CVPR 2017), with the names of the published
networks. Those have BatchNorm layers of a type of their own; here they are Caffe's BatchNorm and
Scale, `<convolution>/bn` and `<convolution>/scale`.
"""

from caffeformat import InputError, NetSpec, infer_shapes
from caffeformat import layers as L
from caffeformat import params as P

from . import classification, dilated, resnet
from .blocks import finish, solver

# Subtracted from the input, BGR.
MEAN = (103.939, 116.779, 123.68)

# Averages over 6 x 6, 3 x 3, 2 x 2 parts of the features and over all of them, and their channels.
_BINS = (6, 3, 2, 1)
_BIN_CHANNELS = 512

_FEATURES = "conv5_3"


def _part_windows(size, bins):
    """Pooling parameters that divide features of `size` (height, width) into bins x bins parts.

    Where the parts cannot be equal they overlap, so that there are as many as asked for.
    """
    if bins == 1:
        return {"global_pooling": True}
    strides = [pixels // bins for pixels in size]
    kernels = [pixels - (bins - 1) * stride for pixels, stride in zip(size, strides)]
    if size[0] == size[1]:
        return {"kernel_size": kernels[0], "stride": strides[0]}
    return {
        "kernel_h": kernels[0],
        "kernel_w": kernels[1],
        "stride_h": strides[0],
        "stride_w": strides[1],
    }


def _pyramid(n, units, features):
    """Add the averages over parts of `features`, at their size, beside them; returns all."""
    size = tuple(infer_shapes(n.to_proto())[_FEATURES][2:])
    if min(size) < max(_BINS):
        raise InputError(
            f"PSPNet's features are {size[0]} x {size[1]} and cannot be divided into {max(_BINS)} "
            f"parts along an axis: give a size of at least {8 * max(_BINS) - 7} pixels"
        )
    parts = [features]
    for bins in _BINS:
        name = f"{_FEATURES}_pool{bins}"
        windows = _part_windows(size, bins)
        top = units.add(name, L.Pooling(features, pool=P.Pooling.AVE, **windows))
        top = units(f"{name}_conv", top, _BIN_CHANNELS, 1, bias_term=False)
        parts.append(units.add(f"{name}_interp", L.Interp(top, features)))
    return units.add(f"{_FEATURES}_concat", L.Concat(*parts))


def deploy(
    depth, classes, channels=3, size=(473, 473), learned=False, auxiliary=False, frozen=False
):
    """PSPNet of images of `size` (height, width); `depth` is 50 or 101.

    Images of other sizes are divided by the pyramid's windows for `size`, into more or fewer parts.
    learned: learned upsampling instead of resizing; auxiliary: a second head, on stage 4; frozen:
    BatchNorm keeps to stored statistics in training, for small batches.
    """
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, *size]})
    style, settings = resnet.PSPNET, dilated.batch_norm(0.95, frozen)
    units = resnet.Units(n, style.normalized, True, settings)
    tops = resnet.trunk(units, n.data, depth, style, dilated=True)
    if auxiliary:
        dilated.auxiliary_head(n, settings, tops[4], n.data, classes)
    fast = resnet.Units(n, style.normalized, True, settings, dilated.HEAD_RATE)
    top = fast("conv5_4", _pyramid(n, fast, tops[5]), 512, 3, pad=1, bias_term=False)
    n["conv5_4/dropout"] = top = L.Dropout(top, dropout_ratio=0.1, in_place=True)
    rates = [{"lr_mult": dilated.HEAD_RATE}, {"lr_mult": 2 * dilated.HEAD_RATE}]
    n.conv6 = L.Convolution(top, num_output=classes, kernel_size=1, param=rates, **fast.filled)
    dilated.enlarge(n, n.conv6, n.data, classes, learned)
    return finish(n, f"PSPNet-{depth}")


def files(depth, classes, channels, max_iter, test_images, auxiliary=True, **form):
    """{file name: message}; `form` are further arguments of `deploy`."""
    # The paper's recipe; four times four images an update.
    recipe = solver(
        f"pspnet_{depth}",
        base_lr=0.01,
        max_iter=max_iter,
        lr_policy="poly",
        power=0.9,
        iter_size=4,
        weight_decay=0.0001,
        average_loss=20,
        test_iter=[test_images],
        test_interval=5000,
        test_initialization=False,
        snapshot=5000,
    )
    return dilated.files(
        deploy(depth, classes, channels, **form),
        deploy(depth, classes, channels, auxiliary=auxiliary, **form),
        recipe,
        batch_size=4,
        mean=MEAN if channels == 3 else (),
        auxiliary_weight=0.4,
    )


def classifier(depth, classes, channels, fillers):
    """The classifier that PSPNet starts from, of a crop; see `resnet.classifier`."""
    return classification.deploy(
        f"PSPNet-ResNet-{depth}",
        lambda n, data: resnet.classifier(n, data, classes, depth, fillers, resnet.PSPNET),
        (1, channels, 224, 224),
    )
