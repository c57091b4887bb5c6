"""Takes a classifier apart: the layers that make features, and the layer that scores them.

The trunk is what an FCN keeps: every layer that the main scores depend on, with inner products as
convolutions and without the global pooling that ends many classifiers. What comes after the scoring
layer (softmax, losses) and beside it (auxiliary heads) is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caffeformat import InputError, filter_net, infer_shapes, pb
from caffeformat.geometry import LOSSES, RULES, SOURCES
from caffeformat.messages import distinct_layers
from fcnkit import nets
from fcnkit.nets import image_shapes

from ..blobs import ancestors, rename_blob
from ..convolutionalize import convolutionalize

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence


class Trunk(NamedTuple):
    """The part of a classifier that an FCN keeps."""

    # Reads the blob `image` from an Input layer and ends with the layer `scoring`
    net: pb.NetParameter
    image: str
    scoring: str
    # What became of changed layers, by name
    made: dict[str, str]
    # The same part as it was
    classifier: pb.NetParameter
    # Layers that are gone: (name, reason)
    dropped: list[tuple[str, str]]


def take_trunk(net: pb.NetParameter) -> Trunk:
    """The `Trunk` of a classifier's deploy, train_val or all-in-one net.

    Raises `InputError` if there is no image of known size, no spatial layer, an unknown layer type,
    or no single layer that scores.
    """
    net = distinct_layers(filter_net(net, pb.TEST, stages=["deploy"]))
    chain = ancestors(net, _scores(net), len(net.layer))
    _check_upsampling(net, chain)
    source, image = _image(net)
    end = _scoring_layer(net, chain)
    scoring = net.layer[end]
    kept = [net.layer[i] for i in ancestors(net, scoring.top[0], end + 1)]
    classifier = pb.NetParameter(name=net.name)
    classifier.layer.append(source)
    classifier.layer.extend(layer for layer in kept if image not in layer.top)
    for layer in classifier.layer:
        del layer.include[:], layer.exclude[:]
    _check_layers(classifier)
    names = {layer.name for layer in classifier.layer}
    after = {net.layer[i].name for i in chain} - names
    # A deploy net's own input is still there, perhaps under its blob's name.
    dropped = [
        (layer.name, _why_dropped(layer, after))
        for layer in net.layer
        if layer.name not in names and not (layer.type == "Input" and image in layer.top)
    ]
    sliding = convolutionalize(classifier)
    changes = {
        new.name: f"inner product -> convolution {_kernel(new)}"
        for old, new in zip(classifier.layer, sliding.layer)
        if old.type == "InnerProduct"
    }
    changes.update(
        (old.name, "passes its bottom on")
        for old, new in zip(classifier.layer, sliding.layer)
        if old.type == "Flatten" and new.type != "Flatten"
    )
    dropped += [(name, "pooled over everything") for name in _drop_global_pooling(sliding)]
    return Trunk(sliding, image, scoring.name, changes, classifier, dropped)


def bottlenecks(net: pb.NetParameter) -> list[int]:
    """Indices of the layers of `net` through whose first top everything after them is computed.

    Of branches that run side by side (residual blocks, inception modules), only the joint output is
    one.
    """
    found: list[int] = []
    last_use: dict[str, int] = {}
    for number, layer in enumerate(net.layer):
        last_use.update((bottom, number) for bottom in layer.bottom)
    live: set[str] = set()
    for number, layer in enumerate(net.layer):
        live.update(layer.top)
        live = {blob for blob in live if last_use.get(blob, -1) > number}
        if live == {layer.top[0]} or (number == len(net.layer) - 1 and len(layer.top) == 1):
            found.append(number)
    return found


def _image(net: pb.NetParameter) -> tuple[pb.LayerParameter, str]:
    """An Input layer for one image, and the name of its blob."""
    given = [
        (layer, top, tuple(shape))
        for layer in net.layer
        if layer.type == "Input"
        for top, shape in _input_shapes(layer)
    ]
    if not given:
        readers = [layer for layer in nets.data_layers(net) if layer.transform_param.crop_size]
        if not readers:
            raise InputError(
                f"{_name(net)}: no layer gives the size of its images; pass its "
                "deploy.prototxt, which has an Input layer with a shape"
            )
        given = [(layer, top, image_shapes(net).get(top, ())) for layer in readers
                 for top in layer.top[:1]]  # fmt: skip
    images = [(top, shape) for _, top, shape in given if len(shape) == 4]
    if len(images) != 1:
        found = ", ".join(f"{top} {shape}" for _, top, shape in given)
        raise InputError(
            f"{_name(net)}: expected one input of images, N x C x H x W, found {found}; start from "
            "a convolutional network of one image"
        )
    image, shape = images[0]
    made = pb.LayerParameter(name=image, type="Input", top=[image])
    made.input_param.shape.add().dim.extend((1,) + shape[1:])
    return made, image


def _input_shapes(layer: pb.LayerParameter) -> Iterable[tuple[str, Sequence[int]]]:
    shapes: list[Sequence[int]] = [shape.dim for shape in layer.input_param.shape]
    return zip(layer.top, shapes * len(layer.top) if len(shapes) == 1 else shapes)


def _scores(net: pb.NetParameter) -> str:
    """The blob that the main head ends in: what the last softmax reads, else the last top."""
    for layer in reversed(net.layer):
        if layer.type == "Softmax":
            return layer.bottom[0]
    head = nets.head(net)
    if head is not None:
        return head.score
    ends = [layer for layer in net.layer if layer.bottom and layer.type not in LOSSES]
    if not ends:
        raise InputError(f"{_name(net)}: no layer computes anything")
    return ends[-1].top[0]


def _scoring_layer(net: pb.NetParameter, chain: Sequence[int]) -> int:
    """The index of the last layer with weights in `chain`, through which all scores must pass."""
    weighted = [i for i in chain if net.layer[i].type in ("Convolution", "InnerProduct")]
    if not weighted:
        raise InputError(
            f"{_name(net)}: found no convolution or inner product that scores classes; "
            "pass a classifier that ends in one"
        )
    part = pb.NetParameter()
    part.layer.extend(net.layer[i] for i in chain)
    if chain.index(weighted[-1]) not in bottlenecks(part):
        raise InputError(
            f'layer "{net.layer[weighted[-1]].name}": the last layer with weights is not the only '
            "way to the scores; surgery needs one layer that scores all classes"
        )
    return weighted[-1]


def _check_upsampling(net: pb.NetParameter, chain: Iterable[int]) -> None:
    for layer in (net.layer[number] for number in chain):
        if layer.type in ("Deconvolution", "Interp", "Upsample", "Crop"):
            raise InputError(
                f'layer "{layer.name}" ({layer.type}): {_name(net)} scores pixels, so it is '
                "fully convolutional already; for more classes grow its score layer with "
                "`fcnkit edit_weights grow`, for another stride start from a classifier"
            )


def _check_layers(net: pb.NetParameter) -> None:
    for layer in net.layer:
        if layer.type not in RULES and layer.type not in SOURCES:
            raise InputError(
                f'layer "{layer.name}": its type {layer.type!r} is not known here, nor where its '
                "pixels lie; remove it from the classifier, or replace it with layers of Caffe's"
            )
    if not any(layer.type in ("Convolution", "Pooling") for layer in net.layer):
        raise InputError(
            f"{_name(net)}: has no spatial layer (Convolution, Pooling) before its "
            "scores, so no feature maps to score pixel by pixel; start from a convolutional network"
        )


def _why_dropped(layer: pb.LayerParameter, after: Container[str]) -> str:
    if layer.type in nets.DATA_TYPES or layer.type in SOURCES:
        return "input"
    if layer.name in after or layer.type == "Softmax":
        return "after the scores"
    if layer.type in LOSSES:
        return "loss or measure"
    return "beside the main scores"


def _drop_global_pooling(net: pb.NetParameter) -> list[str]:
    """Remove the poolings over everything from `net`; returns their names.

    Long et al. found FCN-GoogLeNet better without its average pooling: the features of every place
    are scored, instead of their mean over the classifier's whole input.
    """
    shapes, alone = infer_shapes(net), set(bottlenecks(net))
    found = []
    for number, layer in enumerate(net.layer):
        if layer.type != "Pooling" or layer.pooling_param.pool != pb.PoolingParameter.AVE:
            continue
        if shapes[layer.top[0]][2:] != (1, 1) or shapes[layer.bottom[0]][2:] == (1, 1):
            continue
        if number not in alone:
            raise InputError(
                f'layer "{layer.name}": pools over the whole image beside another path (as squeeze '
                "and excitation does), which has no counterpart for every window of a larger "
                "image; remove that path from the classifier"
            )
        found.append(number)
    names = [net.layer[number].name for number in found]
    for number in reversed(found):
        top, bottom = net.layer[number].top[0], net.layer[number].bottom[0]
        del net.layer[number]
        for later in net.layer[number:]:
            rename_blob(later, top, bottom)
    return names


def _name(net: pb.NetParameter) -> str:
    return f"classifier {net.name!r}" if net.name else "the classifier"


def _kernel(layer: pb.LayerParameter) -> str:
    param = layer.convolution_param
    if param.kernel_size:
        return f"{param.kernel_size[0]}x{param.kernel_size[0]}"
    return f"{param.kernel_h}x{param.kernel_w}"
