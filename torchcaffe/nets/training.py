"""A solver's passes through a whole net: they keep what backpropagation needs, and nothing else.

A diff goes as soon as the layer below has used it, and so do values that no gradient needs, such as
a BatchNorm's output that is only added to another. pycaffe shows both after every step, so whatever
was freed is computed again when it is asked for, with the weights that the step began with (which
are known up to the rounding of the update), and is kept in all later passes.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from caffeformat import InputError
from torchcaffe.core import sync_batch_norm

from .recomputing import divide
from .step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import torch

    from torchcaffe.core import Blob

    from .at_once import AtOnce
    from .fusion import FusedNormalization
    from .recomputing import Segment

    Turn = Step | FusedNormalization
    Undone = Callable[[], AbstractContextManager[object]]
    UsedUp = dict[Turn, list[tuple[Blob, Turn]]]


class _Passes(Protocol):
    """Passes by hand, which keep everything."""

    @property
    def keeps_all(self) -> bool: ...

    @property
    def at_once(self) -> AtOnce: ...

    def turns(self) -> Sequence[Turn]: ...

    def forward(self) -> None: ...

    def backward(self) -> None: ...


class TrainingPasses:
    """Runs the whole net forward and backward for a solver.

    With `recompute`, which may be changed between passes, only some blobs are kept between the
    forward and the backward pass, and most layers run forward twice (see `recomputing`).
    """

    def __init__(self, steps: list[Step], passes: _Passes) -> None:
        self.recompute = False
        self._steps, self._passes = steps, passes
        self._passing = _passing_blobs(steps)
        self._params = list(dict.fromkeys(blob for step in steps for blob in step.params))
        self._segments: list[Segment] = []
        self._recomputes = False  # what `_segments` and `_used_up` are for
        self._used_up: UsedUp = {}
        self._spent: dict[Turn, list[Blob]] = {}  # whose diffs nothing needs after a turn
        self._undone: Undone = contextlib.nullcontext
        self._is_done = False  # a forward and a backward pass, after which all can be recovered
        self._is_lost = False  # something was freed that no longer can

    def forward(self) -> None:
        """Run all layers forward."""
        if self._passes.keeps_all:
            self._passes.forward()
            return
        self._divide()
        for blob in self._passing:
            blob.free_diff(self._recover)
        self._undone = contextlib.nullcontext
        self._is_done, self._is_lost = False, True
        with self._passes.at_once.training():
            for segment in self._segments:
                segment.forward(self._run)
                if not segment.is_last:
                    segment.free(self._recover)

    def backward(self) -> None:
        """Run all layers backward."""
        if self._passes.keeps_all:
            self._passes.backward()
            return
        for segment in reversed(self._segments):
            if not segment.is_last:
                with self._passes.at_once.repeating():
                    segment.forward_again(self._run)
            for turn in reversed(segment.turns):
                spent = self._spent[turn]
                if turn.needs_backward:
                    seen = len(spent) < len(turn.tops) or any(blob.diff_is_seen for blob in spent)
                    turn.backward(lean=not seen)
                for blob in spent:
                    blob.free_diff(self._recover)
            if self._recomputes:
                segment.free(self._recover)
        self._is_done, self._is_lost = True, False

    def weights_updated(self, undone: Undone) -> None:
        """Note that weights have changed; within `undone()` they are what they were before."""
        self._undone = undone

    def scale_losses(self, scale: float) -> None:
        """Multiply all losses by `scale` in backward passes, and so all gradients."""
        for step in self._steps:
            step.loss_scale = scale

    def expire(self) -> None:
        """Note that what was freed cannot be computed again, because parameters' diffs are gone."""
        self._is_done, self._is_lost = False, self._is_done or self._is_lost

    def settle(self) -> bool:
        """Bring back what was freed, before a pass that would lose it; returns whether any was."""
        if self._is_done and not sync_batch_norm():
            self._recover()
            return True
        if self._is_done or self._is_lost:
            self._forget_diffs()
            self._is_done = self._is_lost = False
        return False

    def _divide(self) -> None:
        if self._segments and self._recomputes == self.recompute:
            return
        turns = self._passes.turns()
        self._segments = divide(turns, self.recompute)
        self._recomputes, self._used_up = self.recompute, _used_up_values(turns)
        self._spent = {
            turn: [blob for blob in turn.tops if blob in self._passing and blob not in turn.bottoms]
            for turn in turns
        }

    def _run_again(self) -> None:
        """Run all segments forward again; the losses keep the values that they have."""
        turns = [turn for segment in self._segments for turn in segment.turns]
        losses = [blob for turn in turns if any(turn.loss_weights) for blob in turn.tops]
        values = [blob.tensor().clone() for blob in losses]
        for segment in self._segments:
            segment.forward_again(self._run)
        for blob, value in zip(losses, values):
            blob.set_data(value)

    def _run(self, turn: Turn) -> None:
        """Run `turn` forward and free the values that no later layer and no gradient needs.

        A sum takes the memory of what it adds up: freed and taken again piece by piece, memory
        would end up in pieces of no use.
        """
        spent: list[tuple[Blob, Callable[[], torch.Tensor]]] = []
        own = None
        for blob, maker in self._used_up.get(turn, ()):
            top_again = maker.top_again()
            if top_again is not None:
                spent.append((blob, top_again))
                if own is None and maker.has_own_output and not blob.is_seen:
                    own = blob
        if own is not None and turn.adds_up and isinstance(turn, Step) and _is_of_one_type(turn):
            turn.add_up_in(own)
        else:
            turn.forward()
        for blob, top_again in spent:
            blob.free_data(top_again)

    def _forget_diffs(self) -> None:
        for blob in self._passing:
            blob.forget_freed_diff()

    def _recover(self) -> None:
        """Compute everything again that the last passes have freed."""
        # The other solvers would have to take part in synchronized statistics.
        if not self._is_done or sync_batch_norm():
            raise InputError(
                "this blob's numbers were freed by the solver: read them after a step and before "
                "the next one, or hold the array, which is kept up to date"
            )
        self._is_done = False
        freed = [blob for blob in self._passing if not blob.has_gradient]
        self._forget_diffs()
        try:
            self._pass_again()
        except BaseException:  # interrupted, so that whoever asks next has it all computed
            for blob in freed:
                blob.lose_diff(self._recover)
            self._is_done = True
            raise

    def _pass_again(self) -> None:
        """Repeat the last passes, with the weights that they began with; diffs are kept."""
        with _kept_diffs(self._params), self._undone():
            if self._recomputes:
                self._run_again()
            for segment in reversed(self._segments):
                for turn in reversed(segment.turns):
                    if turn.needs_backward:
                        turn.backward()


def _is_of_one_type(turn: Turn) -> bool:
    return len({blob.tensor().dtype for blob in turn.bottoms}) == 1


@contextlib.contextmanager
def _kept_diffs(params: Sequence[Blob]) -> Iterator[None]:
    """Give the parameters the diffs that they have now back at the end."""
    diffs: dict[Blob, torch.Tensor] = {
        blob: blob.gradient().clone() for blob in params if blob.has_gradient
    }
    try:
        yield
    finally:
        for blob in params:
            if blob in diffs:
                blob.gradient().copy_(diffs[blob])
                blob.diff_written()
            else:
                blob.clear_diff()


def _passing_blobs(steps: list[Step]) -> set[Blob]:
    """Return the blobs whose diff one layer's backward pass makes and the next one's uses.

    Those that layers written in Python see are left out, and so are losses, whose diffs are where
    backward passes begin.
    """
    passing: set[Blob] = set()
    others: set[Blob] = set()
    for step in steps:
        if step.manual is not None and not step.is_split:
            others.update((*step.bottoms, *step.tops))
        others.update(blob for blob, weight in zip(step.tops, step.loss_weights) if weight)
        if step.needs_backward:
            passing.update(blob for blob, needs in zip(step.bottoms, step.bottom_needs) if needs)
    return passing - others


def _used_up_values(turns: Sequence[Turn]) -> UsedUp:
    """Return turn -> the blobs, and what made them, that nothing needs once the turn has run."""
    makers: dict[str, Turn] = {}
    used_up: UsedUp = {}
    for turn in turns:
        if turn.inputs_are_free:
            for name, blob in zip(turn.bottom_names, turn.bottoms):
                maker = makers.get(name)
                if maker is not None and name not in turn.top_names:
                    used_up.setdefault(turn, []).append((blob, maker))
        makers.update(dict.fromkeys(turn.top_names, turn))
    return used_up
