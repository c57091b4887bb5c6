"""Which sizes of images a net takes, from the rules of its layers' shapes alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from caffeformat import InputError, geometry

from .channels import declared_channels
from .roles import data_layers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Optional

    from caffeformat import pb

    Size = tuple[int, int]  # height, width
    Shapes = Optional[Mapping[str, tuple[int, ...]]]

# Sizes repeat with the product of a net's strides, 32 in most: no search goes farther.
_PERIOD = 128
_MOST_FOUND = 10_000  # sizes that are remembered


class SizeSearch:
    """Finds the size at which an image of any size can go through something that takes some sizes.

    `takes` says whether a (height, width) is taken; `own` is one that is, or None.
    """

    def __init__(self, own: Size | None = None) -> None:
        self._own = own
        self._alone: dict[tuple[int, int], bool] = {}
        self._found: dict[Size, Size] = {}

    def takes(self, size: Size) -> bool:
        """Whether images of `size` are taken."""
        raise NotImplementedError

    def nearest(self, size: Size) -> Size:
        """The size to run an image of `size` at.

        Along each axis that is its own length where the net takes that, else the next larger one,
        so that the image can be padded, else a smaller one, so that it can be cut.
        """
        if size not in self._found:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[size] = self._search(size)
        return self._found[size]

    def _search(self, size: Size) -> Size:
        if self.takes(size):
            return size
        base = self._base(size)
        if base is None:
            return size
        found = (self._along(0, size[0], base), self._along(1, size[1], base))
        return found if self.takes(found) else base

    def _base(self, size: Size) -> Size | None:
        """A size that the net takes, where one is found."""
        if self._own is not None and self.takes(self._own):
            return self._own
        longest = max(size)
        squares = ((side, side) for side in range(longest, longest + _PERIOD + 1))
        self._own = next(filter(self.takes, squares), None)
        return self._own

    def _along(self, axis: int, length: int, base: Size) -> int:
        """The length for an image of `length` along `axis`, where `base` is a size that fits."""
        for candidate in range(length, max(length + _PERIOD, base[axis]) + 1):
            key = axis, candidate
            if key not in self._alone:
                tried = (candidate, base[1]) if axis == 0 else (base[0], candidate)
                self._alone[key] = self.takes(tried)
            if self._alone[key]:
                return candidate
        return base[axis]


class ImageSizes(SizeSearch):
    """The sizes (height, width) of images that a deploy net takes.

    A net takes a size if the shapes of all layers fit, InnerProducts get as many values as for
    `own`, for which their weights were made, and the blob of its scores has the height and width of
    the image. Most FCNs take all; encoders with additive skips and no crop take multiples
    of their stride, and nets with layers of a fixed size take one.

    net    a deploy net, filtered
    image  its input blob, N x C x H x W
    score  its blob of scores, N x classes x H x W
    own    the size that its text states (see `declared_size`), where the search begins

    Nets with layers whose shapes only an engine knows are taken to be free, and so are those for
    which no size is found: the engine then reports what does not fit.
    """

    def __init__(
        self, net: pb.NetParameter, image: str, score: str, own: Size | None = None
    ) -> None:
        super().__init__(own)
        self._net, self._image, self._score = net, image, score
        self._channels = declared_channels(net, image) or 3
        rules = {*geometry.RULES, *geometry.LOSSES}
        self._is_known = all(not layer.bottom or layer.type in rules for layer in net.layer)
        self._values: dict[str, int] = {}
        self._last: tuple[Size, Shapes] | None = None
        if own is not None:
            self._values = self._inner_values(self.shapes(own))

    def shapes(self, size: Size) -> Shapes:
        """The shape of every blob for one image of `size`; None where the net does not take it."""
        if self._last is None or self._last[0] != size:
            self._last = size, self._infer(size)
        return self._last[1]

    def takes(self, size: Size) -> bool:
        """Whether the net takes images of `size`, or the rules cannot tell."""
        return not self._is_known or self.shapes(size) is not None

    def steps(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """(step, offset) along each axis, where the net takes lengths of step k + offset alone.

        A step of 0 stands for one length alone, the offset. None for nets that take every length
        from some on, and where no size is found.
        """
        base = self._base((1, 1)) if self._is_known else None
        if base is None:
            return None
        down, across = self._step(0, base), self._step(1, base)
        return None if down[0] == across[0] == 1 else (down, across)

    def _step(self, axis: int, base: Size) -> tuple[int, int]:
        step = self._along(axis, base[axis] + 1, base) - base[axis]
        return step, base[axis] % step if step else base[axis]

    def _infer(self, size: Size) -> Shapes:
        try:
            shapes = geometry.infer_shapes(self._net, {self._image: (1, self._channels, *size)})
        except InputError:
            return None
        score = shapes.get(self._score, ())
        fits = len(score) == 4 and score[2:] == size
        if self._values and self._inner_values(shapes) != self._values:
            return None
        return shapes if fits else None

    def _inner_values(self, shapes: Shapes) -> dict[str, int]:
        """How many values each InnerProduct takes, by layer; none without `shapes`."""
        return {
            layer.name: math.prod(shapes[layer.bottom[0]][layer.inner_product_param.axis :])
            for layer in self._net.layer
            if layer.type == "InnerProduct" and shapes is not None
        }


def window_starts(extent: int, window: int) -> list[int]:
    """Where the windows along an axis of `extent` pixels begin, two thirds of a window apart.

    The last one is moved back to end where the axis ends.
    """
    if window >= extent:
        return [0]
    step = max(1, window * 2 // 3)
    count = -(-(extent - window) // step) + 1
    return [min(number * step, extent - window) for number in range(count)]


def declared_size(net: pb.NetParameter, image: str) -> Size | None:
    """The (height, width) that the text of `net` gives the blob `image`; None where it does not.

    That is the shape of its Input layer, or the `crop_size` of its data layer.
    """
    for layer in net.layer:
        if layer.type == "Input" and image in layer.top and layer.input_param.shape:
            shapes = layer.input_param.shape
            dims = shapes[min(list(layer.top).index(image), len(shapes) - 1)].dim
            if len(dims) == 4:
                return int(dims[2]), int(dims[3])
    for side in _crops(net, image):
        return side, side
    return None


def _crops(net: pb.NetParameter, image: str) -> Iterator[int]:
    for layer in data_layers(net):
        if image in layer.top and layer.transform_param.crop_size:
            yield int(layer.transform_param.crop_size)


def score_blob(net: pb.NetParameter, image: str, wanted: str | None = None) -> str | None:
    """The blob with the scores of a deploy net whose input is `image`; None where that is unclear.

    It is `wanted`, else the one called `score`, else the net's only output.
    """
    tops = {top for layer in net.layer for top in layer.top}
    if wanted is not None or "score" in tops:
        name = wanted or "score"
        return name if name in tops else None
    outputs: set[str] = set()
    for layer in net.layer:
        outputs.difference_update(layer.bottom)
        outputs.update(layer.top)
    outputs.discard(image)
    return outputs.pop() if len(outputs) == 1 else None


def has_probabilities(net: pb.NetParameter, blob: str) -> bool:
    """Whether the values of `blob` come out of a Softmax, as they are or resampled."""
    for layer in reversed(net.layer):
        if blob in layer.top:
            if layer.type not in ("Crop", "Dropout", "Interp", "Split"):
                return layer.type == "Softmax"
            blob = layer.bottom[0]
    return False
