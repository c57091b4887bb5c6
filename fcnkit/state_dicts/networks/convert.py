"""A network's state dict into the same network as prototxt and caffemodel.

PyTorch's networks read RGB from 0 to 1, less a mean, divided by a deviation; Caffe's read BGR from
0 to 255 less a mean. The difference goes into the first convolution: its input channels change
places and its weights are divided by 255 and the deviation. The mean stays outside, as in all of
Caffe's recipes: a bias could hold it inside the image, but where the convolution pads with zeros
the zero has to mean the mean colour. So

    converted(BGR - mean) = original((RGB / 255 - mean / 255) / deviation)

holds at the border too. Everything else is kept as it is, layer by layer.
"""

import collections
import re

import numpy as np

from caffeformat import InputError
from fcnkit.surgery import fold_batch_norm

from .builder import NetBuilder
from .families import find_family

# net (a deploy NetParameter), weights, mean (blue, green, red, 0..255, to subtract from the input),
# family (name), left_out (names of tensors that only training needs).
Converted = collections.namedtuple("Converted", "net weights mean family left_out")

# What other frameworks call the parts of a BatchNorm.
_SYNONYMS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def convert(tensors, size=(224, 224), mean=None, std=None, fold=False, name=None):
    """The `Converted` classifier of a state dict (name -> array).

    size: height and width of the deploy net's input; mean, std: three numbers each, RGB from 0 to
    1, where they are not those that the family's published weights were trained with; fold:
    whether BatchNorm and Scale are folded into the convolutions; name: of the net.

    Raises `InputError` for a network that is not known, for tensors that it lacks or that are left
    over, and for values that are not finite.
    """
    mean, std = _three_numbers("mean", mean), _three_numbers("std", std)
    if std is not None and min(std) <= 0:
        raise InputError(f"deviations are three numbers above 0, found {std}")
    tensors = _usual_names(tensors)
    family = find_family(tensors)
    builder = NetBuilder(tensors, size)
    family.build(builder)
    left_out = [name for name in builder.left if family.training_only.match(name)]
    unknown = [name for name in builder.left if name not in left_out]
    if unknown:
        raise InputError(
            f"not {family.name} as it is known: no place for {len(unknown)} of the tensors, such "
            f"as {', '.join(unknown[:4])}: remove those that only training needs; with others in "
            "it, it is a network that is not known"
        )
    builder.shapes()  # refuses an input that is too small for the net
    net, weights = builder.n.to_proto(), builder.weights
    net.name = weights.name = name or family.name
    mean = family.mean if mean is None else mean
    std = family.std if std is None else std
    weights[family.first] = _for_bgr(weights[family.first], std)
    if fold:
        net, weights = fold_batch_norm(net, weights)
    mean = np.array(mean[::-1], np.float64) * 255
    return Converted(net, weights, mean.astype(np.float32), family.name, left_out)


def _usual_names(tensors):
    """`tensors` by PyTorch's names, without the prefix that data-parallel training leaves."""
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module.") :]: tensor for name, tensor in tensors.items()}
    renamed = collections.OrderedDict()
    for name, tensor in tensors.items():
        module, dot, last = name.rpartition(".")
        usual = module + dot + _SYNONYMS.get(last, last)
        if usual in renamed:
            raise InputError(f"{name} and {usual} are two names of one tensor: remove one of them")
        renamed[usual] = tensor
    return renamed


def _three_numbers(name, values):
    if values is None:
        return None
    if len(values) != 3 or not np.isfinite(values).all():
        raise InputError(f"{name}: expected three numbers, for red, green, blue, found {values}")
    return list(map(float, values))


def _for_bgr(blobs, std):
    """The first convolution's blobs for BGR from 0 to 255 less a mean."""
    weight = blobs[0] / (255 * np.asarray(std, np.float64))[:, None, None]
    return [np.ascontiguousarray(weight[:, ::-1], np.float32), *blobs[1:]]


def network_name(path):
    """A net's name from its file's: `resnet50-0676ba61.pth` -> `resnet50`."""
    file = re.split(r"[/\\]", str(path))[-1]
    stem = re.sub(r"(\.(pth|pt|safetensors|ckpt|params|tar|bin))+$", "", file)
    return re.sub(r"-[0-9a-f]{8}$", "", stem)
