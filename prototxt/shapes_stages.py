"""FCN-32s, 16s and 8s small enough to train one after the other on a CPU in minutes.

Five halvings and two skips as in the networks on VGG-16, but narrow, with BatchNorm instead of a
classifier's weights to start from, and same padding instead of 100 pixels around the image.
"""

from caffeformat import NetSpec
from caffeformat import layers as L
from caffeformat import params as P

from . import resnet
from .blocks import WEIGHT_AND_BIAS, database_files, finish, solver, upsampling

# Convolutions of each of the five stages, and their channels.
_STAGES = ((1, 16), (1, 32), (2, 48), (2, 64), (2, 96))
_FC6_CHANNELS = 128


def _normalized(name):
    return f"{name}_bn", f"{name}_scale", f"{name}_relu"


def _score(bottom, classes, **settings):
    return L.Convolution(
        bottom, num_output=classes, kernel_size=1, param=WEIGHT_AND_BIAS, **settings
    )


def deploy(stride, classes=6, channels=3):
    """The network from an image of any size to its scores; `stride` is 32, 16 or 8."""
    n = NetSpec()
    n.data = L.Input(shape={"dim": [1, channels, 128, 128]})
    units = resnet.Units(n, _normalized, True, {"moving_average_fraction": 0.95})
    # (x - 128) / 64, so that training starts with inputs of about unit size.
    n.shifted = top = L.Power(n.data, name="shift", scale=1 / 64, shift=-2.0)
    for stage, (count, width) in enumerate(_STAGES, 1):
        for index in range(1, count + 1):
            top = units(f"conv{stage}_{index}", top, width, 3, pad=1, bias_term=False)
        windows = {"kernel_size": 3, "stride": 2, "pad": 1, "round_mode": P.Pooling.FLOOR}
        top = units.add(f"pool{stage}", L.Pooling(top, pool=P.Pooling.MAX, **windows))
    top = units("fc6", top, _FC6_CHANNELS, 3, pad=1, bias_term=False)
    gaussian = {"weight_filler": {"type": "gaussian", "std": 0.01}}
    n.score_fr = top = _score(top, classes, **gaussian)
    enlarged = "upscore2"
    for skip in {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]:
        n[enlarged] = top = _bilinear(top, classes, 2)
        n[f"score_{skip}"] = skipped = _score(n.tops[skip], classes)
        n[f"{enlarged}c"] = cropped = L.Crop(top, skipped, axis=2)
        n[f"fuse_{skip}"] = top = L.Eltwise(cropped, skipped, operation=P.Eltwise.SUM)
        enlarged = f"upscore_{skip}"
    last = "upscore" if stride == 32 else f"upscore{stride}"
    n[last] = _bilinear(top, classes, stride)
    n.score = L.Crop(n.tops[last], n.data, axis=2)
    return finish(n, f"Shapes-FCN{stride}s")


def _bilinear(bottom, classes, factor):
    filler = {"group": classes, "weight_filler": {"type": "bilinear"}}
    return upsampling(bottom, classes, factor, kernel=2 * factor - 1, **filler)


def files(stride, base_lr, max_iter, classes=6, channels=3):
    """{file name: message}"""
    recipe = solver(
        f"shapes_fcn{stride}s",
        base_lr,
        max_iter,
        lr_policy="poly",
        power=0.9,
        weight_decay=0.0005,
        average_loss=20,
        test_iter=[100],
        test_interval=max_iter,
        test_initialization=False,
        snapshot=200,
    )
    return database_files(deploy(stride, classes, channels), recipe, batch_size=8)
