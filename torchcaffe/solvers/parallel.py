"""Data parallelism: several solvers train one set of weights, each on its own batches.

As in BVLC Caffe every solver has a device, a copy of the net and a batch of the size given in the
prototxt. The gradients are averaged over all solvers, then each takes the same step. Here each also
has its own process, and PyTorch's collective operations join them: NCCL's on CUDA, Gloo's
elsewhere.
"""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
import uuid
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from caffeformat import InputError
from torchcaffe.core import current_device, solver_count, solver_rank

if TYPE_CHECKING:
    from torchcaffe.core import Blob
    from torchcaffe.nets import Net

    from .solver import Solver

# While the root tests, the others wait. Whatever started the processes makes sure that none waits
# for one that has ended.
_PATIENCE = datetime.timedelta(days=7)
# Gloo would use the address that the host's name resolves to, which need not be one of its own; all
# processes are on this host.
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def has_nccl() -> bool:
    """Return whether this PyTorch can join the solvers of several devices."""
    return dist.is_available()


class NCCL:
    """Joins `solver` with those of the other ranks, under pycaffe's name.

    Every rank's process makes one, with the same `uid` (from `new_uid`), after `set_solver_count`
    and `set_solver_rank`; it waits for the others. Then `bcast()`, and `solver.add_callback(nccl)`.

    Raises `InputError` if this PyTorch has no collective operations.
    """

    def __init__(self, solver: Solver, uid: str) -> None:
        if not has_nccl():
            raise InputError("this PyTorch was built without torch.distributed; use one device.")
        self._solver = solver
        self._learning = _blobs_with_gradients(solver.net)
        place = current_device()
        if place.type == "cuda":
            torch.cuda.set_device(place)
        if sys.platform in _LOOPBACK:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK[sys.platform])
        dist.init_process_group(
            "nccl" if place.type == "cuda" else "gloo",
            init_method=f"file://{uid}",
            world_size=solver_count(),
            rank=solver_rank(),
            timeout=_PATIENCE,
        )
        # Messages between hosts bypass the GPU, which would have to be waited for.
        self._hosts = dist.new_group(backend="gloo", timeout=_PATIENCE)

    @staticmethod
    def new_uid() -> str:
        """Return the name, of a file not there yet, by which the ranks of a run find each other."""
        return os.path.join(tempfile.gettempdir(), f"torchcaffe-{uuid.uuid4().hex}")

    def bcast(self) -> None:
        """Give every solver the root's weights."""
        for param in self._solver.net.learnable_params:
            dist.broadcast(param.blob.tensor(), 0)
            param.blob.data_written()

    def on_start(self) -> None:
        """Do nothing before a step: all solvers have the same weights already."""

    def on_gradients_ready(self) -> None:
        """Average the gradients over all solvers."""
        gradients = [blob.gradient() for blob in self._learning]
        running = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
        for work, gradient, blob in zip(running, gradients, self._learning):
            work.wait()
            gradient.div_(solver_count())
            blob.diff_written()

    def __call__(self, layer: int) -> None:
        """Do nothing after a layer's backward: all gradients are averaged at the end."""

    def agree(self, stop: bool) -> bool:
        """Return the root's `stop`: whether all solvers stop before the next step."""
        answer = torch.tensor([int(stop)])
        dist.broadcast(answer, 0, group=self._hosts)
        return bool(answer)

    def close(self) -> None:
        """Leave the other ranks, once all are done."""
        dist.barrier(group=self._hosts)
        dist.destroy_process_group()


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
