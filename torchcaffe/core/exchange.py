"""What solvers in several processes exchange: sums and tensors, by PyTorch's collective operations.

All processes of a run call these functions in the same order; each waits for the others. A process
that has ended is noticed by the others here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from caffeformat import InputError

from .process import solver_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class LostSolversError(InputError):
    """Another process of the run has ended, so that this one cannot go on."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this training run has ended: start the run again from its newest "
            "snapshot, which torchrun's launcher does by itself while it has restarts left."
        )


def is_joined() -> bool:
    """Whether this process is joined with those of other solvers."""
    return solver_count() > 1 and dist.is_available() and dist.is_initialized()


@contextlib.contextmanager
def noticing_losses() -> Iterator[None]:
    """Turn PyTorch's errors about processes that have ended into a `LostSolversError`."""
    try:
        yield
    except RuntimeError as error:
        # Gloo raises RuntimeError, NCCL and the store DistError, which is derived from it.
        raise LostSolversError from error


def add_up(tensors: Sequence[torch.Tensor], group: dist.ProcessGroup | None = None) -> None:
    """Replace each tensor by its sum over all solvers; all are under way at the same time."""
    with noticing_losses():
        running = [dist.all_reduce(tensor, group=group, async_op=True) for tensor in tensors]
        for work in running:
            work.wait()


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """Return the solvers' tensors of this shape, stacked along a new first axis."""
    found = [torch.empty_like(tensor) for _ in range(solver_count())]
    with noticing_losses():
        dist.all_gather(found, tensor)
    return torch.stack(found)
