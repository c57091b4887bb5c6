"""Refusing a net that cannot fit in memory, before anything is allocated."""

import os

from . import device as devices

_BYTES = 4  # a float32
_MOST_VALUES = (1 << 31) - 1  # what Caffe counts a blob's values with


def available(device):
    """Bytes of memory that `device` has in all, or None where that cannot be told."""
    if device.type == devices.GPU:
        return devices.gpus().get_device_properties(device).total_memory
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            limits.append(int(file.read()))
    except (AttributeError, OSError, ValueError):
        pass  # no such system call or file here, or the file says "max"
    limits.append(_address_space())
    return min((limit for limit in limits if limit is not None), default=None)


def _address_space():
    """Bytes that `ulimit -v` leaves this process, or None where there is no such limit."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        with open("/proc/self/statm", encoding="ascii") as file:
            in_use = int(file.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else max(0, limit - in_use)


class MemoryBudget:
    """Adds up what a net will need; `take` raises `InputError` once it is too much."""

    def __init__(self, device):
        self._limit, self._taken = available(device), 0

    def take(self, layer, what, shape, count):
        """Count a blob of `shape` with `count` values, `what` of `layer`."""
        self._taken += count * _BYTES
        if count > _MOST_VALUES:
            raise layer.error(
                f"{what} would have the shape {shape}: {count} values, and a blob can have "
                f"{_MOST_VALUES}."
            )
        if self._limit is not None and self._taken > self._limit:
            raise layer.error(
                f"{what} of shape {shape} takes {count * _BYTES / 1e9:.1f} GB and brings the net "
                f"to {self._taken / 1e9:.1f} GB, but there are {self._limit / 1e9:.1f} GB of "
                "memory; make the input or the batch smaller."
            )
