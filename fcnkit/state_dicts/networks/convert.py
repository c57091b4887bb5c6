"""Converts a network's state dict to the same network as prototxt and caffemodel.

PyTorch's networks read RGB from 0 to 1, minus a mean and divided by a standard deviation; Caffe's
read BGR from 0 to 255 minus a mean. The difference goes into the first convolution: its input
channels are swapped and its weights divided by 255 and the deviation. The mean stays outside, as in
all of Caffe's recipes: a bias could account for it inside the image, but where the convolution pads
with zeros, zero has to stand for the mean colour. So

    converted(BGR - mean) = original((RGB / 255 - mean / 255) / deviation)

holds at the border, too. Everything else is converted unchanged, layer by layer. Networks that read
BGR already keep the order.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.surgery import fold_batch_norm

from .builder import NetBuilder
from .families import find_family
from .gluon_names import attribute_names

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from caffeformat import Weights, pb

    Tensors = Mapping[str, NDArray[Any]]


class Converted(NamedTuple):
    """A converted network."""

    net: pb.NetParameter  # for deployment
    weights: Weights
    mean: NDArray[np.float32]  # blue, green, red, 0..255, to subtract from the input
    family: str
    left_out: list[str]  # names of tensors that only training needs
    scale: float = 1.0  # to multiply the input by, after the mean is subtracted


# Other frameworks' names for the parts of a BatchNorm.
_SYNONYMS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def convert(
    tensors: Tensors,
    size: tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    fold: bool = False,
    name: str | None = None,
    scale: float = 1.0,
) -> Converted:
    """Convert the state dict (name -> array) of a classifier or FCN.

    `size` is the height and width of the deploy net's input (default: the family's); `mean` and
    `std` are three numbers each, for RGB from 0 to 1 (default: those with which the family's
    published weights were trained). `fold` folds BatchNorm and Scale into the convolutions; `name`
    is the net's. `scale` is the factor that its input will be multiplied by after the mean is
    subtracted, as the zoo's fcn8s_vgg16_bn does; the first convolution is divided by it.

    Raises `InputError` for an unknown network, for missing tensors or superfluous ones, and for
    values that are not finite.
    """
    mean, std = _three_numbers("mean", mean), _three_numbers("std", std)
    if std is not None and min(std) <= 0:
        raise InputError(f"std: expected three numbers above 0, found {std}")
    if not 0 < scale < np.inf:
        raise InputError(f"scale: expected a number above 0, found {scale}")
    named, tensors = tensors, _usual_names(tensors)
    family = find_family(tensors)
    builder = NetBuilder(tensors, size or family.size, _spelling(named, tensors))
    family.build(builder)
    left_out = [name for name in builder.left if family.training_only.fullmatch(name)]
    unknown = [name for name in builder.left if name not in left_out]
    if unknown:
        raise InputError(
            f"not the known {family.name}: it has no place for {len(unknown)} of the tensors, such "
            f"as {', '.join(unknown[:4])}; remove those that only training needs; with any others, "
            "the network is not supported"
        )
    builder.shapes()  # refuses an input that is too small for the net
    net, weights = builder.n.to_proto(), builder.weights
    net.name = weights.name = name or family.name
    first = next(layer.name for layer in net.layer if layer.type == "Convolution")
    deviation = scale * np.asarray(std or family.std, np.float64)
    weights[first] = _for_bytes(weights[first], deviation, family.reads_bgr)
    if fold:
        net, weights = fold_batch_norm(net, weights)
    bgr = np.array((mean or family.mean)[::-1], np.float64) * 255
    return Converted(net, weights, bgr.astype(np.float32), family.name, left_out, scale)


def _usual_names(tensors: Tensors) -> Tensors:
    """`tensors` by PyTorch's names, without the prefix that data-parallel training adds."""
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module.") :]: tensor for name, tensor in tensors.items()}
    renamed: OrderedDict[str, NDArray[Any]] = OrderedDict()
    for name, tensor in attribute_names(tensors).items():
        module, dot, last = name.rpartition(".")
        usual = module + dot + _SYNONYMS.get(last, last)
        if usual in renamed:
            raise InputError(
                f"{name} and {usual} are two names of the same tensor: remove one of them"
            )
        renamed[usual] = tensor
    return renamed


def _spelling(named: Tensors, tensors: Tensors) -> Callable[[str], str]:
    """A function from a name in `tensors` to the one in the file, whose tensors are `named`.

    Names of tensors that are missing follow those of the other BatchNorms.
    """
    known = dict(zip(tensors, named))
    parts = {name.rpartition(".")[2] for name in named}
    own = {usual: part for part, usual in _SYNONYMS.items() if part in parts}

    def spelled(name: str) -> str:
        module, dot, last = name.rpartition(".")
        is_norm = any(f"{module}.{part}" in tensors for part in ("running_mean", "running_var"))
        if name in known or last not in own or not (is_norm or last.startswith("running")):
            return known.get(name, name)
        return module + dot + own[last]

    return spelled


def _three_numbers(name: str, values: Sequence[float] | None) -> list[float] | None:
    if values is None:
        return None
    if len(values) != 3 or not np.isfinite(values).all():
        raise InputError(f"{name}: expected three numbers (red, green, blue), found {values}")
    return list(map(float, values))


def _for_bytes(
    blobs: Sequence[NDArray[np.float32]], std: NDArray[np.float64], reads_bgr: bool
) -> list[NDArray[np.float32]]:
    """The first convolution's blobs for BGR from 0 to 255 minus a mean; `std` is that of RGB."""
    weight = blobs[0] if reads_bgr else blobs[0][:, ::-1]
    scaled = weight / (255 * std[::-1])[:, None, None]
    return [np.ascontiguousarray(scaled, np.float32), *blobs[1:]]


def network_name(path: str | os.PathLike[str]) -> str:
    """A net's name from that of its file: `resnet50-0676ba61.pth` -> `resnet50`."""
    file = re.split(r"[/\\]", str(path))[-1]
    stem = re.sub(r"(\.(pth|pt|safetensors|ckpt|params|tar|bin))+$", "", file)
    return re.sub(r"-[0-9a-f]{8}$", "", stem)
