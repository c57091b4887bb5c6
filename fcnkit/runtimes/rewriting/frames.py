"""Where the rows and columns of an image's frame repeat themselves, value by value.

A convolution with a wide padding sees nothing of the image in its first rows: they are equal. Of a
layer behind it, the rows whose windows see equal rows only are equal; a padding of its own makes
the outermost rows differ, and the image the inner ones. So on each side of each value there is

    an outer rim | equal rows, first to last | what depends on the image

and both ends of the equal rows follow from extents, strides and paddings. They do not depend on the
image's size on the near sides (top, left); on the far sides they lie at distances from the end that
depend on the size modulo the strides, and the narrowest of all is taken. The rows are equal whole:
across, each has the same rims and corners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .nodes import Windows, attributes, windows_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ..onnx_writer import Writer

    Sides = tuple[int, int, int, int]  # image pixels: top, left, bottom, right

NOMINAL = 500  # height and width for which work is estimated
# Sizes of the image that stand for all: every remainder by a total stride that divides their
# number, and the nominal one.
_PERIOD = 96
_SIZES = np.array([*range(1, _PERIOD + 1), NOMINAL])

_POINTWISE = {
    "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softplus", "Abs", "Identity", "Exp", "Log",
    "Sqrt", "LRN", "BatchNormalization", "Clip",
}  # fmt: skip
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "PRelu"}


class Axis(NamedTuple):
    """The height or the width of a value, for each of `_SIZES` of the image."""

    stride: int  # in pixels of the image
    sizes: NDArray[np.int64]
    near: tuple[NDArray[np.int64], NDArray[np.int64]]  # first and last of the equal rows
    far: tuple[NDArray[np.int64], NDArray[np.int64]]

    def rims(self) -> tuple[int, int]:
        """The widths of the outer rims, near and far."""
        return int(self.near[0].max()), int((self.sizes - 1 - self.far[1]).max())

    def spare(self) -> tuple[int, int]:
        """How many rows, near and far, are equal to their outer neighbour, in image pixels."""
        near, far = self.rims()
        last, first = int(self.near[1].min()), int((self.sizes - 1 - self.far[0]).min())
        return max(0, last - near) * self.stride, max(0, first - far) * self.stride


class Region(NamedTuple):
    """A value with equal rows in its frame."""

    root: str  # the padded value
    channels: int
    axes: tuple[Axis, Axis]
    work: float  # multiplications, or what takes as long, for one number

    def spare(self) -> Sides:
        """What may be left out on each side."""
        height, width = (axis.spare() for axis in self.axes)
        return height[0], width[0], height[1], width[1]

    def strides(self) -> Sides:
        """The image's pixels from one row to the next, for each side."""
        height, width = (axis.stride for axis in self.axes)
        return height, width, height, width

    def numbers(self, removed: Sides) -> float:
        """How many numbers the value has at the nominal size, with `removed` left out."""
        height, width = (
            int(axis.sizes[-1]) - (removed[i] + removed[i + 2]) // axis.stride
            for i, axis in enumerate(self.axes)
        )
        return float(self.channels * height * width)


def find_regions(w: Writer) -> dict[str, Region]:
    """The values among the nodes of `w` whose frames have equal rows: value -> region."""
    found: dict[str, Region] = {}
    constants: dict[str, tuple[int, ...]] = {}  # of what nodes make of constants -> shape
    for node in w.nodes:
        if len(node.output) != 1:
            continue
        if node.op_type == "Unsqueeze":
            array, axes = (w.values(name) for name in node.input)
            if array is not None and axes is not None:
                constants[node.output[0]] = np.expand_dims(array, tuple(axes)).shape
            continue
        region = _region(w, node, found, constants)
        if region is not None and any(region.spare()):
            found[node.output[0]] = region
    return found


def is_source(node: Any, regions: Mapping[str, Region]) -> bool:
    """Whether the equal rows of what `node` makes come from its own padding."""
    return node.op_type == "Conv" and node.input[0] not in regions


def _region(
    w: Writer, node: Any, regions: dict[str, Region], constants: dict[str, tuple[int, ...]]
) -> Region | None:
    kind, first = node.op_type, regions.get(node.input[0])
    if kind == "Conv":
        return _convolved(w, node, first)
    if kind in _ELEMENTWISE:
        parts = [regions[name] for name in node.input if name in regions]
        others = [name for name in node.input if name not in regions]
        shapes = [_shape(w, name, constants) for name in others]
        if not all(shape is not None and set(shape[-2:]) <= {1} for shape in shapes):
            return None
        return _joined(parts, max((part.channels for part in parts), default=0))
    if kind == "Concat" and attributes(node).get("axis") == 1:
        parts = [regions[name] for name in node.input if name in regions]
        if len(parts) == len(node.input):
            return _joined(parts, sum(part.channels for part in parts))
    if first is None:
        return None
    if kind in ("MaxPool", "AveragePool"):
        windows = windows_of(node)
        if windows is None or attributes(node).get("ceil_mode"):
            return None
        axes = _axes(first.axes, windows, kind == "MaxPool")
        return axes and first._replace(axes=axes, work=80.0)
    if kind in _POINTWISE and all(w.values(name) is not None for name in node.input[1:]):
        return first._replace(work=500.0 if kind == "LRN" else 10.0)
    return None


def _shape(w: Writer, name: str, constants: dict[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    array = w.values(name)
    return constants.get(name) if array is None else array.shape


def _convolved(w: Writer, node: Any, bottom: Region | None) -> Region | None:
    windows, weights = windows_of(node), w.values(node.input[1])
    if windows is None or weights is None:
        return None
    work, channels = float(weights[0].size), len(weights)
    if bottom is not None:
        axes = _axes(bottom.axes, windows, ignores_padding=False)
        return axes and Region(bottom.root, channels, axes, work)
    axes = tuple(_padded(*window) for window in zip(*windows))
    if any(_PERIOD % axis.stride for axis in axes):
        return None
    return Region(node.input[0], channels, (axes[0], axes[1]), work)


def _padded(extent: int, stride: int, before: int, behind: int) -> Axis:
    """An axis of what windows make of an image: equal rows are those that see padding alone."""
    sizes = (_SIZES + before + behind - extent) // stride + 1
    zero = np.zeros_like(sizes)
    near = zero, zero + (before - extent) // stride
    far = -(-(_SIZES + before) // stride), sizes - 1
    return Axis(stride, sizes, near, far)


def _axes(axes: tuple[Axis, Axis], windows: Windows, ignores_padding: bool) -> Any:
    """`axes` behind windows; None where the total stride is too large."""
    made = tuple(
        _through(axis, *window, ignores_padding) for axis, window in zip(axes, zip(*windows))
    )
    return None if any(_PERIOD % axis.stride for axis in made) else made


def _through(
    axis: Axis, extent: int, stride: int, before: int, behind: int, ignores_padding: bool
) -> Axis:
    """`axis` behind windows: rows are equal where the windows see equal rows and nothing else.

    Where padding is ignored, windows may reach into it.
    """
    sizes = (axis.sizes + before + behind - extent) // stride + 1

    def inside(first: NDArray[np.int64], last: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        return [-(-(first + before) // stride), (last - extent + 1 + before) // stride]

    near, far = inside(*axis.near), inside(*axis.far)
    if ignores_padding:
        near[0] = np.where(axis.near[0] == 0, 0, near[0])
        far[1] = np.where(axis.far[1] == axis.sizes - 1, sizes - 1, far[1])
    return Axis(axis.stride * stride, sizes, (near[0], near[1]), (far[0], far[1]))


def _joined(parts: list[Region], channels: int) -> Region | None:
    """The region of several values that lie over each other; None where they do not."""
    if not parts or any(part.root != parts[0].root for part in parts):
        return None
    axes = []
    for several in zip(*(part.axes for part in parts)):
        first = several[0]
        for other in several[1:]:
            if other.stride != first.stride or (other.sizes != first.sizes).any():
                return None
        near = [axis.near for axis in several]
        far = [axis.far for axis in several]
        axes.append(first._replace(near=_common(near), far=_common(far)))
    return Region(parts[0].root, channels, (axes[0], axes[1]), 10.0)


def _common(
    ranges: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, last = zip(*ranges)
    return np.max(first, axis=0), np.min(last, axis=0)
