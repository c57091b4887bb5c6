"""Recomputation: activations are dropped after the forward pass and computed again going backward.

The layers are divided into segments of which each, but the last, is run again when the backward
pass reaches it (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). What a segment
reads from earlier ones is kept. The second run draws the same random numbers and leaves running
statistics alone, so that nothing but time and memory change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torchcaffe.core import random_state, trim_heap, with_random_state

from .fusion import FusedNormalization

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import torch

    from torchcaffe.core import Blob

    from .step import Step

    Turn = Step | FusedNormalization

_MOST_SEGMENTS = 32


class Segment:
    """Turns that are run again together. `inner`: the blobs that nothing outside reads."""

    def __init__(self, turns: Sequence[Turn], inner: list[Blob], is_last: bool) -> None:
        self.turns, self.inner, self.is_last = turns, inner, is_last
        self._states: dict[Turn, torch.Tensor] = {}

    def forward(self, run: Callable[[Turn], None]) -> None:
        """Run all turns forward by `run`, noting what their random numbers begin with."""
        for turn in self.turns:
            if turn.is_random:
                self._states[turn] = random_state(turn.device)
            run(turn)

    def forward_again(self, run: Callable[[Turn], None]) -> None:
        """Run forward by `run` once more what backpropagation needs."""
        for turn in self.turns:
            if is_repeatable(turn):
                with with_random_state(self._states.get(turn), turn.device), turn.repeating():
                    run(turn)

    def free(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Drop graphs and values that `forward_again` makes; `recover` as for `Blob.free_data`."""
        for turn in self.turns:
            if is_repeatable(turn):
                turn.drop_graph()
        for blob in self.inner:
            blob.free_data(recover)
        trim_heap()


def is_repeatable(turn: Turn) -> bool:
    """Whether `turn` may run forward a second time, and has something for a backward pass."""
    return turn.needs_backward and turn.is_repeatable


def divide(turns: Sequence[Turn], recompute: bool) -> list[Segment]:
    """Divide a net's turns into the segments with which a training pass takes the least memory.

    Without `recompute` there is one.
    """
    best, used = [len(turns)], {name for turn in turns for name in turn.bottom_names}
    outputs = {name for turn in turns for name in turn.top_names} - used
    places = _cuts(turns) if recompute else {}
    if places:
        sizes = [_bytes(turn) for turn in turns]
        tries = [_greedy(places, sizes, parts) for parts in range(2, _MOST_SEGMENTS)]
        best = min(tries, key=lambda ends: _peak(ends, places, sizes))
    segments, begin = [], 0
    for end in best:
        inner = _inner(turns, begin, end, outputs)
        segments.append(Segment(turns[begin:end], inner, end == len(turns)))
        begin = end
    return segments


def _cuts(turns: Sequence[Turn]) -> dict[int, int]:
    """Return number of turns before a cut -> bytes kept there, for every place where one may be.

    A cut may not separate a blob's maker from a layer that works on the blob in place: the second
    run would find the blob changed. Blobs that a Split hands on count once.
    """
    sizes: dict[str, int] = {}  # of what has memory of its own
    origin: dict[str, str] = {}
    last_use: dict[str, int] = {}
    last_change: dict[str, int] = {}
    made: dict[str, int] = {}
    for number, turn in enumerate(turns):
        for name in turn.bottom_names:
            last_use[name] = number
        for name, blob in zip(turn.top_names, turn.tops):
            last_change[name] = number
            made.setdefault(name, number)
            is_alias = turn.is_split
            origin[name] = origin.get(turn.bottom_names[0], "") if is_alias else name
            kept_anyhow = not is_repeatable(turn)
            sizes[origin[name]] = 0 if kept_anyhow and not is_alias else 4 * blob.count
    cuts = {}
    for place in range(1, len(turns)):
        crossing = [n for n, first in made.items() if first < place <= last_use.get(n, -1)]
        if all(last_change[name] < place for name in crossing):
            cuts[place] = sum(sizes[name] for name in {origin[name] for name in crossing})
    return cuts


def _bytes(turn: Turn) -> int:
    """Return the memory that `turn` takes for the backward pass."""
    if turn.is_split or turn.overwrites or not is_repeatable(turn):
        return 0
    return sum(4 * blob.count for blob in turn.tops)


def _greedy(places: dict[int, int], sizes: list[int], parts: int) -> list[int]:
    """Return the ends of segments of about a `parts`-th of the memory each."""
    limit, taken = sum(sizes) / parts, 0
    ends: list[int] = []
    window: list[int] = []  # the cuts since the segment was half full
    for place, size in enumerate(sizes):
        if taken + size > limit and window:
            ends.append(min(window, key=lambda cut: (places[cut], -cut)))
            taken, window = sum(sizes[ends[-1] : place]), []
        taken += size
        if place + 1 in places and taken > limit / 2:
            window.append(place + 1)
    return [*ends, len(sizes)]


def _peak(ends: list[int], places: dict[int, int], sizes: list[int]) -> float:
    """Return about how much memory a pass takes with these segments."""
    begins = [0, *ends[:-1]]
    most = max(sum(sizes[begin:end]) for begin, end in zip(begins, ends))
    return sum(places[end] for end in ends[:-1]) + most + math.log(len(ends))


def _inner(turns: Sequence[Turn], begin: int, end: int, outputs: Collection[str]) -> list[Blob]:
    inner: dict[str, Blob] = {}
    for turn in turns[begin:end]:
        if is_repeatable(turn):
            inner.update(zip(turn.top_names, turn.tops))
    kept = set(outputs)
    for number, turn in enumerate(turns):
        if not begin <= number < end:
            kept.update(turn.bottom_names)
        elif not turn.is_repeatable:
            kept.update((*turn.bottom_names, *turn.top_names))
        if any(turn.loss_weights):
            kept.update(turn.top_names)
    return [blob for name, blob in inner.items() if name not in kept]
