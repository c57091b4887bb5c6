"""Several solvers that train one set of weights, each on its own batches.

As in BVLC Caffe every solver has a device, a copy of the net and a batch of the size that the
prototxt says. The gradients are averaged over all, then each solver takes the same step. Here each
has a process, too, and PyTorch's collective operations join them: NCCL's on CUDA, Gloo's elsewhere.
"""

import datetime
import os
import sys
import tempfile
import uuid

import torch
import torch.distributed as dist

from caffeformat import InputError

from . import device
from .process import solver_count, solver_rank

# While the root tests, the others wait. Whoever started the processes sees to it that none waits
# for one that has ended.
_PATIENCE = datetime.timedelta(days=7)
# Gloo would take the address that the host's name leads to, which need not be one of its own; all
# processes are on this host.
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def has_nccl():
    """Whether this PyTorch can join the solvers of several devices."""
    return dist.is_available()


class NCCL:
    """Joins `solver` with those of the other ranks, under pycaffe's name.

    Every rank's process makes one, with the same `uid` (from `new_uid`), after `set_solver_count`
    and `set_solver_rank`; it waits for the others. Then `bcast()`, and `solver.add_callback(nccl)`.
    """

    def __init__(self, solver, uid):
        if not has_nccl():
            raise InputError("this PyTorch was built without torch.distributed: use one device.")
        self._solver = solver
        self._learning = _blobs_with_gradients(solver.net)
        place = device.current()
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
        # What the host alone must know goes over the host: a GPU would have to be waited for.
        self._hosts = dist.new_group(backend="gloo", timeout=_PATIENCE)

    @staticmethod
    def new_uid():
        """A name by which the ranks of one training find each other: of a file not there yet."""
        return os.path.join(tempfile.gettempdir(), f"torchcaffe-{uuid.uuid4().hex}")

    def bcast(self):
        """Give every solver the root's weights."""
        for param in self._solver.net.learnable_params:
            dist.broadcast(param.blob.tensor(), 0)
            param.blob.data_written()

    def on_start(self):
        """Called before each step: all solvers have the same weights already."""

    def on_gradients_ready(self):
        """Average the gradients over all solvers."""
        gradients = [blob.gradient() for blob in self._learning]
        running = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
        for work, gradient, blob in zip(running, gradients, self._learning):
            work.wait()
            gradient.div_(solver_count())
            blob.diff_written()

    def __call__(self, layer):
        """Called after a layer's backward: gradients are averaged at the end, all in one go."""

    def agree(self, stop):
        """What the root says: whether all stop before the next step."""
        answer = torch.tensor([int(stop)])
        dist.broadcast(answer, 0, group=self._hosts)
        return bool(answer)

    def close(self):
        """Leave the other ranks, once all are done."""
        dist.barrier(group=self._hosts)
        dist.destroy_process_group()


def _blobs_with_gradients(net):
    """The parameters that a backward pass computes gradients for: the same in every process.

    Whether there is a gradient at the moment says less: the root's may have been looked at.
    """
    needed = {
        blob
        for step in net._steps
        for blob, needs in zip(step.params, step.param_needs)
        if needs and step.needs_backward
    }
    return [param.blob for param in net.learnable_params if param.lr_mult or param.blob in needed]
