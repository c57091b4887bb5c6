"""The devices of a training run, and the processes that train on them together.

On several devices each has a process with a solver of its own; torchcaffe joins them. torchrun
starts such processes, on one machine or several; on one, `run_together` does so itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
from typing import TYPE_CHECKING, Any, Protocol

from caffeformat import InputError

from .choice import VARIABLE, load, name, use_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Optional, Union

    from numpy.typing import NDArray

    from .pycaffe import Solver

    Gpus = Optional[Union[int, Sequence[int], str, "Devices"]]


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a run computes on: GPUs by number, or else so many processes on the CPU."""

    gpus: tuple[int, ...] = ()
    processes: int = 1

    @property
    def count(self) -> int:
        """The number of processes on this machine."""
        return len(self.gpus) or self.processes


class Together(Protocol):
    """This process as one of those that train together; all call the methods in the same order."""

    rank: int
    count: int
    is_root: bool

    def has_begun(self, work: str) -> bool:
        """Whether processes before these, which torchrun had started, have begun `work`."""

    def begin(self, work: str) -> None:
        """Note that `work` is to be continued if torchrun starts the processes again."""

    def from_root(self, make: Callable[[], Any]) -> Any:
        """Call `make()` in the root alone; returns in every process what it returned."""

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums of the processes' arrays."""


class Alone:
    """A process that trains by itself, as a `Together`."""

    rank, count, is_root = 0, 1, True

    def has_begun(self, work: str) -> bool:
        """Return False."""
        return False

    def begin(self, work: str) -> None:
        """Do nothing."""

    def from_root(self, make: Callable[[], Any]) -> Any:
        """Return `make()`."""
        return make()

    def total(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values`."""
        return values


ALONE = Alone()
_together: Together | None = None  # torchrun's processes join once


def devices_of(gpu: Gpus) -> Devices:
    """The `Devices` of a GPU's number, of several, of "all" GPUs, or of None, which is the CPU.

    Raises `InputError` where there are no such GPUs, and where the engine has no way to use as many
    devices.
    """
    devices = gpu if isinstance(gpu, Devices) else _numbered(gpu)
    if devices.processes < 1 or (devices.gpus and devices.processes > 1):
        raise InputError(
            f"{devices.processes} processes: expected 1 or more, on the CPU; GPUs have one each"
        )
    if len(set(devices.gpus)) < len(devices.gpus):
        raise InputError(
            f"GPUs {', '.join(map(str, devices.gpus))}: one is named twice; each has one process"
        )
    if (devices.count > 1 or has_launched()) and name() != "torch":
        raise InputError(
            f"the engine {name()!r} computes in one process only: set {VARIABLE}=torch for "
            f"{max(devices.count, 2)}"
        )
    if len(devices.gpus) > 1:
        core = importlib.import_module("torchcaffe.core")
        for number in devices.gpus:
            core.require_gpu(number)
    return devices


def _numbered(gpu: int | Sequence[int] | str | None) -> Devices:
    if gpu is None:
        return Devices()
    if isinstance(gpu, int):
        return Devices((gpu,))
    if gpu != "all":
        try:
            return Devices(tuple(int(number) for number in gpu))
        except (TypeError, ValueError):
            raise InputError(f"GPU {gpu!r}: expected a number, several, or all") from None
    if name() != "torch":
        raise InputError(f"all GPUs: the engine {name()!r} does not say how many there are")
    count = importlib.import_module("torchcaffe.core").gpu_count()
    if not count:
        raise InputError("all GPUs: PyTorch finds no CUDA device here; choose the CPU")
    return Devices(tuple(range(count)))


def has_launched() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def is_root() -> bool:
    """Whether this process is the one of its run that speaks and writes."""
    return not has_launched() or os.environ["RANK"] == "0"


def join(devices: Devices) -> Together:
    """Choose this process's device, and join the other processes if torchrun has started it."""
    global _together
    if not has_launched():
        use_device(devices.gpus[0] if devices.gpus else None)
        return ALONE
    solvers = importlib.import_module("torchcaffe.solvers")
    rank, here = solvers.local_rank()
    if devices.count not in (here, 1 if not devices.gpus else here):
        raise InputError(
            f"torchrun has started {here} processes on this machine, but there are "
            f"{devices.count} devices for them: choose as many GPUs, all, or the CPU"
        )
    use_device(devices.gpus[rank] if devices.gpus else None)
    if _together is None:
        joined: Together = solvers.join()
        _together = joined
    return _together


def prepare_solvers(*, sync_batch_norm: bool, share_tests: bool) -> None:
    """Say how the solvers that are opened from now on work together.

    `sync_batch_norm`: BatchNorm layers normalize by the batches of all. `share_tests`: each tests
    on its own batches.
    """
    if name() == "torch":
        core = importlib.import_module("torchcaffe.core")
        core.set_sync_batch_norm(sync_batch_norm)
        core.set_share_tests(share_tests)
    elif sync_batch_norm:
        raise InputError(
            f"the engine {name()!r} has no BatchNorm over several processes: set {VARIABLE}=torch"
        )


def connect(solver: Solver, together: Together) -> None:
    """Give `solver` the root's weights and history; let it average gradients with the others."""
    if together.count > 1:
        nccl = importlib.import_module("torchcaffe.solvers").NCCL(solver, joined=together)
        nccl.bcast()
        add_callback: Any = getattr(solver, "add_callback")  # noqa: B009 - not in the protocol
        add_callback(nccl)


def data_turn(phase: int | None) -> tuple[int, int]:
    """Return (rank, solvers) among which data layers of `phase` deal out what they read.

    A layer that no net has opened has no phase: None.
    """
    caffe = load()
    if name() == "torch":
        turn: tuple[int, int] = importlib.import_module("torchcaffe.core").data_turn(phase)
        return turn
    return (caffe.solver_rank(), caffe.solver_count()) if phase == caffe.TRAIN else (0, 1)


def run_together(
    work: Callable[..., Any],
    count: int,
    arguments: Sequence[object],
    *,
    stop: Callable[[], bool],
    heard: Callable[[Any], object],
    restarts: int,
) -> Any:
    """Run `work(line, *arguments)` in `count` processes, as torchcaffe's `run_ranks` does.

    Where `stop()` is true, `line.requested()` is "stop" in the root from then on.
    """
    solvers = importlib.import_module("torchcaffe.solvers")
    has_asked = False

    def requested() -> str:
        nonlocal has_asked
        if has_asked or not stop():
            return str(solvers.NONE)
        has_asked = True
        return str(solvers.STOP)

    return solvers.run_ranks(work, count, arguments, requested, restarts=restarts, heard=heard)
