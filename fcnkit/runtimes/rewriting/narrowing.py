"""Computes of a constant frame only a strip, and repeats it where the whole frame is needed.

Berkeley's FCNs pad every image by 100 pixels, so that 500x500 are computed as 698x698. Where rows
of a value are equal (frames.py), all but one may be left out: the first convolution pads by less,
the layers behind it compute what they would have computed, and before a layer that needs more of
the frame the one row is repeated. This is exact for every size of image:

- What is left out is a multiple of all strides, so that windows and rounding fall as before.
- A layer's equal rows first to last become first to last - left out. As long as one is left,
  the windows of rows before it see only what they saw, shifted for those behind it.
- A row that is repeated has its own rims and corners: it was computed over the whole width.

Each value gets the most that it and the layers behind it allow to be left out. Where to repeat is
chosen by adding, one by one, the place that saves most work at 500x500; a number that is written
anew counts as much as `_COPY` multiplications (measured in ONNX Runtime on two cores, of which
copies use one). For FCN-8s these are pool2, where 80 pixels on each side come down to 48, and
pool3, where nothing is left out any more: a sixth of all its multiplications is saved, and the
copies take a sixth of that time. AlexNet's frame ends sooner, with 80 pixels before conv2.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .frames import find_regions, is_source
from .nodes import consumers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..onnx_writer import Writer
    from .frames import Region, Sides

_COPY = 700.0
_NOTHING = (0, 0, 0, 0)
_END = sys.maxsize


def narrow_frames(w: Writer) -> None:
    """Rewrite the nodes of `w` so that frames are computed once and repeated."""
    plan = _Plan(w)
    if plan.regions:
        removed = plan.choose()
        if any(map(any, removed.values())):
            _rewrite(w, plan.regions, removed)


class _Plan:
    """Decides how many pixels of its frame each value leaves out."""

    def __init__(self, w: Writer) -> None:
        self.regions = find_regions(w)
        self._readers = consumers(w.nodes)
        self._spare = {name: region.spare() for name, region in self.regions.items()}
        self._strides = {name: region.strides() for name, region in self.regions.items()}
        self._nodes = [node for node in w.nodes if node.output[0] in self.regions]

    def choose(self) -> dict[str, Sides]:
        """The pixels to leave out: value -> pixels, where the sum of work is least."""
        places: set[str] = set()  # never the graph's outputs, which nothing reads
        free = {name for name in self.regions if name in self._readers}
        best = self._removed(places)
        least = self._work(best)
        while places != free:
            tried = [(place, self._removed({*places, place})) for place in sorted(free - places)]
            work, place, removed = min(
                ((self._work(removed), place, removed) for place, removed in tried),
                key=lambda each: each[0],
            )
            if work >= least:
                return best
            places.add(place)
            best, least = removed, work
        return best

    def _removed(self, places: set[str]) -> dict[str, Sides]:
        """The most that can be left out if rows are repeated at `places` only."""
        removed = dict(self._spare)
        changed = True
        while changed:
            changed = False
            for node in [*reversed(self._nodes), *self._nodes]:
                (name,) = node.output
                limits = [removed[other] for other in node.input if other in removed]
                if name not in places:
                    limits += [self._needed(reader, removed) for reader in self._after(name)]
                least = _least([removed[name], *limits], self._strides[name])
                changed = changed or least != removed[name]
                removed[name] = least
        return removed

    def _after(self, name: str) -> list[Any]:
        return self._readers.get(name, [None])

    def _needed(self, reader: Any, removed: Mapping[str, Sides]) -> Sides:
        """What a node's inputs leave out: nothing where that is not understood."""
        return _NOTHING if reader is None else removed.get(reader.output[0], _NOTHING)

    def _work(self, removed: Mapping[str, Sides]) -> float:
        """Multiplications at the nominal size, and what copies cost."""
        total = 0.0
        for name, region in self.regions.items():
            total += region.work * region.numbers(removed[name])
            needs = {self._needed(reader, removed) for reader in self._after(name)}
            for needed in needs - {removed[name]}:
                total += _COPY * region.numbers(needed)
        return total


def _least(sides: list[Sides], strides: Sides) -> Sides:
    """The least of `sides` on each side, in whole strides."""
    top, left, bottom, right = (
        min(side) // stride * stride for side, stride in zip(zip(*sides), strides)
    )
    return top, left, bottom, right


def _rewrite(w: Writer, regions: Mapping[str, Region], removed: Mapping[str, Sides]) -> None:
    nodes, w.nodes[:] = list(w.nodes), []
    widened: dict[tuple[str, Sides], str] = {}
    for node in nodes:
        needed = removed.get(node.output[0], _NOTHING)
        if node.output[0] in removed and is_source(node, regions):
            _pad_less(node, needed)
        for index, name in enumerate(node.input):
            if name not in removed or removed[name] == needed:
                continue
            key = name, needed
            if key not in widened:
                w.prefix = name
                widened[key] = _widened(w, name, regions[name], removed[name], needed)
            node.input[index] = widened[key]
        w.nodes.append(node)


def _pad_less(node: Any, pixels: Sides) -> None:
    for attribute in node.attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [pad - less for pad, less in zip(attribute.ints, pixels)]


def _widened(w: Writer, value: str, region: Region, removed: Sides, needed: Sides) -> str:
    """`value` that left out `removed` with rows and columns repeated, so that it lacks `needed`."""
    for index in (1, 0):  # columns first, while there are fewer rows
        axis = region.axes[index]
        near, far = ((removed[i] - needed[i]) // axis.stride for i in (index, index + 2))
        if near or far:
            value = _repeated(w, value, index + 2, axis.rims(), (near, far))
    return value


def _repeated(w: Writer, x: str, axis: int, rims: tuple[int, int], times: tuple[int, int]) -> str:
    """`x` with the row behind each rim repeated so many times more."""

    def part(begin: int, end: int) -> str:
        return w.slice(x, [axis], w.integers(begin), w.integers(end))

    near, far = rims
    parts = [part(0, near)] if near else []
    parts += [part(near, near + 1)] * times[0]
    if not times[1]:
        parts.append(part(near, _END))
        return w.add("Concat", *parts, axis=axis)
    row = part(-far - 1, -far if far else _END)
    parts += [part(near, -far if far else _END), *[row] * times[1]]
    parts += [part(-far, _END)] if far else []
    return w.add("Concat", *parts, axis=axis)
