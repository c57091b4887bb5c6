"""Memory budget: refuses a net that cannot fit in memory, before anything is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from caffeformat import total_memory

from . import device as devices

if TYPE_CHECKING:
    import torch

    from caffeformat import InputError

_BYTES = 4  # of a float32
_MOST_VALUES = (1 << 31) - 1  # Caffe counts a blob's values in a signed 32-bit integer


class _Layer(Protocol):
    """A layer, as far as a budget knows it."""

    def error(self, problem: str) -> InputError:
        """An error that names the layer."""


def available(device: torch.device) -> int | None:
    """Return how many bytes of memory `device` has in total, or None if that is unknown."""
    if device.type == devices.GPU:
        return int(devices.gpus().get_device_properties(device).total_memory)
    limits = [total_memory(), _address_space()]
    return min((limit for limit in limits if limit is not None), default=None)


def _address_space() -> int | None:
    """Return how many bytes `ulimit -v` leaves this process, or None if there is no limit."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm", encoding="ascii") as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - in_use)


class MemoryBudget:
    """Adds up the memory that a net will need on `device`."""

    def __init__(self, device: torch.device) -> None:
        self._limit, self._taken = available(device), 0

    def take(self, layer: _Layer, what: str, shape: tuple[int, ...], count: int) -> None:
        """Add a blob of `shape` with `count` values; `what` names it among those of `layer`.

        Raises `InputError` if the blob has too many values, or the net no longer fits in memory.
        """
        self._taken += count * _BYTES
        if count > _MOST_VALUES:
            raise layer.error(
                f"{what} would have the shape {shape}, which is {count} values; a blob can have "
                f"{_MOST_VALUES} at most."
            )
        if self._limit is not None and self._taken > self._limit:
            raise layer.error(
                f"{what} of shape {shape} takes {count * _BYTES / 1e9:.1f} GB and brings the net "
                f"to {self._taken / 1e9:.1f} GB, but there are {self._limit / 1e9:.1f} GB of "
                "memory; make the input or the batch smaller."
            )
