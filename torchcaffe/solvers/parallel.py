"""Data parallelism: several solvers train one set of weights, each on its own batches.

As in BVLC Caffe every solver has a device, a copy of the net and a batch of the size given in the
prototxt. The gradients are averaged over all solvers, then each takes the same step. Here each also
has its own process, and PyTorch's collective operations join them: NCCL's on CUDA, Gloo's
elsewhere.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from caffeformat import InputError
from torchcaffe.core import add_up, noticing_losses, solver_count, solver_rank

from .joining import Joined, connect, stay_on_this_machine

if TYPE_CHECKING:
    from torchcaffe.core import Blob
    from torchcaffe.nets import Net

    from .solver import Solver


def has_nccl() -> bool:
    """Return whether this PyTorch can join the solvers of several devices."""
    return dist.is_available()


class NCCL:
    """Joins `solver` with those of the other ranks, under pycaffe's name.

    Every rank's process makes one, with the same `uid` (from `new_uid`), after `set_solver_count`
    and `set_solver_rank`; it waits for the others. Then `bcast()`, and `solver.add_callback(nccl)`.
    Processes that torchrun has started are joined before their solvers are built: by `joined`,
    instead of `uid`.

    Raises `InputError` if this PyTorch has no collective operations.
    """

    def __init__(self, solver: Solver, uid: str = "", joined: Joined | None = None) -> None:
        if not has_nccl():
            raise InputError("this PyTorch was built without torch.distributed; use one device.")
        self._solver = solver
        self._learning = _blobs_with_gradients(solver.net)
        if joined is None:
            stay_on_this_machine()
            place, count, rank = f"file://{uid}", solver_count(), solver_rank()
            joined = Joined(None, connect(init_method=place, world_size=count, rank=rank))
        self._joined = joined

    @staticmethod
    def new_uid() -> str:
        """Return the name, of a file not there yet, by which the ranks of a run find each other."""
        return os.path.join(tempfile.gettempdir(), f"torchcaffe-{uuid.uuid4().hex}")

    def connect(self) -> None:
        """Do all that makes the solver one of several: `bcast`, and what it calls while it runs."""
        self.bcast()
        self._solver.add_callback(self)
        self._solver.agree_to_stop, self._solver.mean_loss = self.agree, self.mean_loss

    def bcast(self) -> None:
        """Give every solver the root's weights, history and iteration."""
        solver = self._solver
        with noticing_losses():
            for param in solver.net.learnable_params:
                dist.broadcast(param.blob.tensor(), 0)
                param.blob.data_written()
            for history in solver.optimizer.history:
                dist.broadcast(history, 0)
        solver.progress = self._joined.from_root(lambda: solver.progress)
        scale = self._joined.from_root(lambda: getattr(solver, "loss_scale", None))
        if scale is not None:
            solver.loss_scale = scale

    def on_start(self) -> None:
        """Do nothing before a step: all solvers have the same weights already."""

    def on_gradients_ready(self) -> None:
        """Average the gradients over all solvers."""
        gradients = [blob.gradient() for blob in self._learning]
        add_up(gradients)
        for gradient, blob in zip(gradients, self._learning):
            gradient.div_(solver_count())
            blob.diff_written()

    def __call__(self, layer: int) -> None:
        """Do nothing after a layer's backward: all gradients are averaged at the end."""

    def mean_loss(self, loss: torch.Tensor | float) -> torch.Tensor | float:
        """Return the mean of the solvers' losses."""
        total = torch.as_tensor(loss, dtype=torch.float32).detach().clone()
        add_up([total])
        return total / solver_count()

    def agree(self, stop: bool) -> bool:
        """Return whether any solver is to stop: all stop before the next step."""
        return self._joined.any(stop)

    def close(self) -> None:
        """Leave the other ranks, once all are done."""
        self._joined.close()


def _blobs_with_gradients(net: Net) -> list[Blob]:
    """Return the parameters whose gradients a backward pass computes, the same in every process.

    Whether a blob has a gradient now is no guide: reading the root's diffs creates them.
    """
    needed = {
        blob
        for step in net.steps
        for blob, needs in zip(step.params, step.param_needs)
        if needs and step.needs_backward
    }
    return [param.blob for param in net.learnable_params if param.lr_mult or param.blob in needed]
