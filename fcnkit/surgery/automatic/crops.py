"""Padding and crops that hold for images of every size.

The output of a chain of convolutions and poolings grows by one pixel whenever the image grows by
the coarsest stride, so what holds for as many successive sizes as that stride has pixels holds for
all. Shapes and coordinates are those of `caffeformat.geometry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, geometry, infer_shapes, pb
from caffeformat.geometry import SAME_SHAPE, convolution_windows

from .. import blobs

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

# More pixels than the receptive field of any image classifier has.
_MOST_PADDING = 1 << 10


class InputPadding:
    """Padding around the image of a net, added to that of its first convolution.

    If the image's first reader is not a convolution (or it has several readers), a fixed 1x1
    convolution that only pads is inserted before them. `layer` is the name of the padded layer,
    `own` its original padding (one value per axis).
    """

    def __init__(self, net: pb.NetParameter, image: str) -> None:
        self.net = net
        first = _first_convolution(net, image)
        self.inserted = first is None
        number = _insert_padding_layer(net, image) if first is None else first
        self.layer = net.layer[number].name
        self._number, self._image = number, image
        self.own = [window.pad for window in convolution_windows(net.layer[number], 2)]

    def set(self, pad: int) -> None:
        """Pad by `pad` pixels on every side, beyond the classifier's own padding."""
        param = self.net.layer[self._number].convolution_param
        param.ClearField("pad_h")
        param.ClearField("pad_w")
        values = [own + pad for own in self.own]
        del param.pad[:]
        param.pad.extend(values[:1] if values[0] == values[1] else values)

    def least(self, holds: Callable[[], bool], low: int = 0) -> int | None:
        """Set and return the smallest padding, at least `low`, with which `holds()` is true.

        `holds` must stay true as the padding grows. Returns None if even much padding does not
        help.
        """
        high = low
        while not self._test(high, holds):
            low, high = high + 1, max(1, 2 * high)
            if high > _MOST_PADDING:
                return None
        while low < high:
            middle = (low + high) // 2
            if self._test(middle, holds):
                high = middle
            else:
                low = middle + 1
        self.set(high)
        return high

    def _test(self, pad: int, holds: Callable[[], bool]) -> bool:
        self.set(pad)
        return holds()

    def remove_if_idle(self) -> None:
        """Remove the layer if it was inserted, as nothing is to be padded."""
        if self.inserted:
            gone = self.net.layer[self._number].top[0]
            del self.net.layer[self._number]
            for layer in self.net.layer:
                blobs.rename_blob(layer, gone, self._image)


def shapes_at(
    net: pb.NetParameter, image: str, height: int, width: int
) -> dict[str, tuple[int, ...]]:
    """`infer_shapes` of `net` for an image of that size."""
    channels = next(layer for layer in net.layer if image in layer.top).input_param.shape[0].dim[1]
    return infer_shapes(net, {image: (1, channels, height, width)})


def image_size(net: pb.NetParameter, image: str) -> tuple[int, int]:
    """Height and width of the Input layer `image`."""
    layer = next(layer for layer in net.layer if image in layer.top)
    height, width = layer.input_param.shape[0].dim[2:]
    return height, width


def has_output(net: pb.NetParameter, image: str) -> bool:
    """Whether every layer of `net` has something to compute on an image of one pixel."""
    try:
        shapes_at(net, image, 1, 1)
    except InputError:
        return False
    return True


def shift(net: pb.NetParameter, big: str, small: str) -> tuple[Fraction, ...]:
    """Where the first pixel of blob `small` lies in blob `big`, per axis."""
    found = geometry.coord_map(net, small, big)
    if any(scale != 1 for scale in found.scale):
        raise InputError(f'blobs "{big}" and "{small}": their pixels are not of the same size')
    return tuple(found.shift) * (2 // len(found.shift))


def whole_shift(net: pb.NetParameter, big: str, small: str) -> list[int]:
    """`shift` in whole pixels, rounded towards zero."""
    return [int(first) for first in shift(net, big, small)]


def add_crop(net: pb.NetParameter, name: str, big: str, small: str) -> pb.LayerParameter:
    """Add a Crop of blob `big` to the place and size of `small`; returns the layer."""
    return blobs.add_crop(net, name, big, small, whole_shift(net, big, small))


def excess(net: pb.NetParameter, image: str, big: str, small: str, stride: int) -> int | Fraction:
    """By how many pixels `small` sticks out of `big`, at worst, over images of every size.

    0 or less if a Crop of `big` to the size of `small` works for all. stride: the coarsest one, in
    pixels of the image.
    """
    offset = shift(net, big, small)
    worst: int | Fraction = max(-first for first in offset)
    for size in range(1, stride + 1, 2):
        shapes = shapes_at(net, image, size, size + 1)
        for first, outer, inner in zip(offset, shapes[big][2:], shapes[small][2:]):
            worst = max(worst, first + inner - outer)
    return worst


def _first_convolution(net: pb.NetParameter, image: str) -> int | None:
    """The index of the one convolution that reads the image (shifted, scaled, ...), or None."""
    images, readers = {image}, []
    for number, layer in enumerate(net.layer):
        if images.isdisjoint(layer.bottom):
            continue
        if layer.type in SAME_SHAPE and len(layer.bottom) == 1:
            images.update(layer.top)
        else:
            readers.append(number)
    if len(readers) == 1 and net.layer[readers[0]].type == "Convolution":
        return readers[0]
    return None


def _insert_padding_layer(net: pb.NetParameter, image: str) -> int:
    """Insert a convolution that copies the image before its readers; returns its index."""
    number = next(i for i, layer in enumerate(net.layer) if image in layer.top) + 1
    channels = net.layer[number - 1].input_param.shape[0].dim[1]
    name = blobs.unused(f"{image}_padded", net)
    made = pb.LayerParameter(name=name, type="Convolution", bottom=[image], top=[name])
    made.param.add(lr_mult=0, decay_mult=0)
    param = made.convolution_param
    param.num_output, param.group, param.bias_term = channels, channels, False
    param.kernel_size.append(1)
    param.weight_filler.type, param.weight_filler.value = "constant", 1
    layers = list(net.layer)
    for layer in layers[number:]:
        blobs.rename_blob(layer, image, name)
    del net.layer[:]
    net.layer.extend([*layers[:number], made, *layers[number:]])
    return number
