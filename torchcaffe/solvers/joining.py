"""How the processes that torchrun has started come together, and what they agree on.

torchrun starts all processes of a run anew where one of them has ended, and leaves the same store
for them to meet in. So each time the root makes up a name for the meeting, which the others ask
for: what earlier processes left in the store is never mistaken for theirs.
"""

from __future__ import annotations

import datetime
import os
import pickle
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed as dist

from caffeformat import InputError
from torchcaffe.core import (
    LostSolversError,
    current_device,
    is_joined,
    noticing_losses,
    set_solver_count,
    set_solver_rank,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch._C._distributed_c10d import TCPStore

# While the root prepares or tests, the others wait. Whatever started the processes makes sure that
# none waits for one that has ended.
PATIENCE = datetime.timedelta(days=7)
_MEETING = datetime.timedelta(minutes=30)
_POLL = 0.05  # seconds between two looks at who has come
_WATCH = 0.5  # seconds between two looks at whether the launcher is there
# Gloo would use the address that the host's name resolves to, which need not be one of its own.
_LOOPBACK = {"linux": "lo", "darwin": "lo0"}


def has_launched() -> bool:
    """Whether torchrun has started this process."""
    return all(name in os.environ for name in ("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE"))


def local_rank() -> tuple[int, int]:
    """Return (rank, number) among the processes that torchrun has started on this machine."""
    return int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])


def end_with_parent() -> None:
    """End this process, from now on, as soon as the one that has started it ends."""
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)


def join() -> Joined:
    """Join the processes that torchrun has started, on `current_device()`, and wait for all.

    Sets the solver's rank and the number of solvers; from now on this process ends when its
    launcher does. Raises `InputError` where PyTorch cannot.
    """
    if not dist.is_available():
        raise InputError("this PyTorch was built without torch.distributed; use one process.")
    from torch._C._distributed_c10d import PrefixStore, TCPStore  # only where it is available

    end_with_parent()
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    has_store = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    if os.environ["LOCAL_WORLD_SIZE"] == str(count) or address.startswith(("127.", "localhost")):
        stay_on_this_machine()
    set_solver_count(count)
    set_solver_rank(rank)
    with noticing_losses():
        is_server = rank == 0 and not has_store
        store = TCPStore(address, port, None, is_server, _MEETING, multi_tenant=True)
        meeting = PrefixStore(_meet(store, rank, count), store)
        return Joined(store, connect(store=meeting, rank=rank, world_size=count))


def stay_on_this_machine() -> None:
    """Let processes that are all on this machine use its loopback interface."""
    if sys.platform in _LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", _LOOPBACK[sys.platform])


def connect(**meeting: Any) -> dist.ProcessGroup | None:
    """Connect the processes for tensors on `current_device()`; `meeting` says where they meet.

    Returns the group for values in the host's memory (None: the same group).
    """
    place = current_device()
    if place.type == "cuda":
        torch.cuda.set_device(place)
    backend = "nccl" if place.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE, **meeting)
    # Messages between hosts bypass the GPU, which would have to be waited for.
    return dist.new_group(backend="gloo", timeout=PATIENCE) if backend == "nccl" else None


def _meet(store: TCPStore, rank: int, count: int) -> str:
    """Return the name of the meeting of the `count` processes that are alive now."""
    own = uuid.uuid4().hex
    store.set(f"torchcaffe/here/{rank}", own)
    if rank:
        store.wait([f"torchcaffe/name/{own}"], _MEETING)
        name = store.get(f"torchcaffe/name/{own}").decode()
        store.set(f"torchcaffe/coming/{name}/{own}", "")
        return name
    missing = set(range(1, count))
    while missing:
        for other in list(missing):
            key = f"torchcaffe/here/{other}"
            if not store.check([key]):
                continue
            theirs = store.get(key).decode()  # perhaps of a process that has ended: it won't come
            store.set(f"torchcaffe/name/{theirs}", own)
            if store.check([f"torchcaffe/coming/{own}/{theirs}"]):
                missing.discard(other)
        time.sleep(_POLL)
    return own


def shared_seed() -> int:
    """Return a random seed that all solvers get, if they have joined already, or 0."""
    if not is_joined():
        return 0
    seed = torch.randint(2**31, (1,), dtype=torch.int64)
    seed = seed.to(current_device())
    with noticing_losses():
        dist.broadcast(seed, 0)
    return int(seed)


class Joined:
    """This process as one of several. All of them call the methods in the same order.

    Attributes: `rank`, `count`, `is_root` (rank 0).
    """

    def __init__(self, store: TCPStore | None, hosts: dist.ProcessGroup | None) -> None:
        self._store, self._hosts = store, hosts
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self.is_root = self.rank == 0

    def has_begun(self, work: str) -> bool:
        """Whether processes that torchrun had started before these have begun `work`."""
        key = f"torchcaffe/begun/{work}"
        return bool(self.from_root(lambda: self._store is not None and self._store.check([key])))

    def begin(self, work: str) -> None:
        """Note that `work` is to be continued if torchrun starts the processes again."""
        if self.is_root and self._store is not None:
            with noticing_losses():
                self._store.set(f"torchcaffe/begun/{work}", "")

    def from_root(self, make: Callable[[], Any]) -> Any:
        """Call `make()` in the root; returns in every process what it returned.

        The root's `InputError` and OSError are raised by the root alone; the others end with a
        `LostSolversError`.
        """
        made: Any = None
        failed: Exception | None = None
        if self.is_root:
            try:
                made = make()
            except (InputError, OSError) as error:
                failed = error
        box = [pickle.dumps((failed is not None, None if failed else made))]
        with noticing_losses():
            dist.broadcast_object_list(box, 0, group=self._hosts)
        if failed is not None:
            raise failed
        has_failed, made = pickle.loads(box[0])
        if has_failed:
            raise LostSolversError
        return made

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        return bool(self.total(np.array([int(flag)]))[0])

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of the processes' arrays, of one shape and dtype."""
        tensor = torch.from_numpy(np.array(values))
        with noticing_losses():
            dist.all_reduce(tensor, group=self._hosts)
        return tensor.numpy()

    def close(self) -> None:
        """Leave the others, once all are done."""
        with noticing_losses():
            dist.barrier(group=self._hosts)
            dist.destroy_process_group()
