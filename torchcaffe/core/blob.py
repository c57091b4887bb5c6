"""Blobs: what flows between layers and what layers learn, shown as live NumPy arrays.

A blob owns two tensors, data and diff, that are allocated when first needed. The engine swaps them
for freshly computed ones (`set_data`, `set_diff`) instead of copying, unless somebody holds a NumPy
array of the old one: then the numbers are copied into that array's memory, so that every array ever
handed out stays live, as in pycaffe. On a GPU the array is a mirror in host memory: what is written
into it goes to the device when the engine next asks for the tensor, and what the device computes is
copied back while somebody holds the array.

Numbers that nobody has asked for yet may be freed (`free_data`, `free_diff`), with a function that
brings them back when somebody does.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray


def host_copy(tensor: torch.Tensor) -> torch.Tensor | None:
    """Return a copy of `tensor` in host memory, or None if it is there already."""
    return None if tensor.device.type == "cpu" else tensor.cpu()


class _Memory:
    """A tensor's memory as seen from outside: through the array that somebody holds.

    Blobs that share their numbers have one of these in common, and so one mirror, whatever their
    shapes.
    """

    __slots__ = ("_array", "_tensor", "is_shared", "mirror")

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor, self.is_shared = tensor, False
        self._array: weakref.ref[NDArray[np.float32]] | None = None
        self.mirror: torch.Tensor | None = None

    def array(self) -> NDArray[np.float32]:
        """Return the tensor as a NumPy array that shares its memory (on a GPU: its mirror's)."""
        array = None if self._array is None else self._array()
        if array is None:
            self.mirror = host_copy(self._tensor)
            array = (self._tensor if self.mirror is None else self.mirror).numpy()
            self._array = weakref.ref(array)
        return array

    def is_held(self) -> bool:
        """Return whether somebody still holds the array."""
        if self._array is not None and self._array() is None:
            self._array = None
        return self._array is not None

    def upload(self) -> None:
        """Take over what was written into the mirror; drop the mirror once nobody holds it."""
        if self.mirror is not None:
            self._tensor.data.copy_(self.mirror)
        if not self.is_held():
            self.mirror = None

    def download(self) -> None:
        """Show in the mirror what was written on the device."""
        if self.mirror is not None and self.is_held():
            self.mirror.copy_(self._tensor)
        else:
            self.mirror = None


class _Half:
    """The data or the diff of a blob: a tensor, and its memory once that is seen from outside."""

    __slots__ = ("_memory", "_recover", "changes", "is_wanted", "pending", "tensor")

    def __init__(self) -> None:
        self.tensor: torch.Tensor | None = None
        self._memory: _Memory | None = None
        # Computes the tensor when somebody asks for it; returns None if it was set meanwhile.
        self.pending: Callable[[], torch.Tensor | None] | None = None
        self._recover: Callable[[], torch.Tensor | None] | None = None  # as `free` was given it
        self.is_wanted = False  # whether somebody outside ever asked for it
        # How often there were other numbers, or somebody was given an array to write them into.
        self.changes = 0

    def current(self) -> torch.Tensor | None:
        """Return the tensor, with what was written into its mirror; None if there is none yet."""
        if self.pending is not None:
            compute, self.pending = self.pending, None
            try:
                tensor = compute()
            except BaseException:
                self.pending = compute  # not zeros for whoever asks again
                raise
            if tensor is not None:
                self.set(tensor)
        memory = self._memory
        if memory is not None and memory.mirror is not None:
            memory.upload()
        return self.tensor

    def existing(self) -> torch.Tensor:
        """Return the tensor, for callers who know that there is one."""
        assert self.tensor is not None
        return self.tensor

    def _exposed(self) -> _Memory:
        """Return the memory of the tensor, which is seen from outside from now on."""
        if self._memory is None:
            self.tensor = self.existing().float().contiguous()
            self._memory = _Memory(self.tensor.data)
        return self._memory

    def array(self) -> NDArray[np.float32]:
        """Return the tensor as a live array."""
        self.is_wanted = True
        self.changes += 1
        array, shape = self._exposed().array(), self.existing().shape
        return array if array.shape == shape else array.reshape(shape)

    def held(self) -> bool:
        """Return whether the memory is visible from outside, so that it must not be swapped."""
        return self._memory is not None and (self._memory.is_shared or self._memory.is_held())

    def set(self, tensor: torch.Tensor) -> None:
        """Take `tensor` as the new one, in the present memory if that is held."""
        self.pending = None
        self.changes += 1
        current = self.tensor
        if current is not None and self.held() and current.shape == tensor.shape:
            # .data: the graphs of earlier passes must not count this as a change to their inputs.
            current.data.copy_(tensor)
            self.written()
        else:
            self.tensor, self._memory = tensor, None

    def share(self, owner: _Half, shape: tuple[int, ...]) -> None:
        """Use the memory of `owner`, which has a tensor, from now on, as a tensor of `shape`."""
        self._memory = owner._exposed()
        self._memory.is_shared = True
        owner.current()  # uploads what was written into its mirror
        self.tensor = owner.existing().view(shape)

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Keep the numbers and their memory, as a tensor of `shape`."""
        self.current()  # uploads what was written into the mirror
        self.tensor = self.existing().reshape(shape)

    def drop(self) -> None:
        """Forget the numbers: they are of another shape, or of no use any more."""
        self.tensor = self.pending = self._memory = None
        self.changes += 1

    def free(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Let go of the memory, unless somebody looks at it; `recover` as `pending`."""
        exists = self.tensor is not None or self.pending is not None
        if exists and not (self.is_wanted or self.held()):
            self.lose(recover)

    def lose(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Let go of the memory in any case; `recover` as `pending`."""
        self.tensor = self._memory = None
        self.pending = self._recover = recover

    def is_freed(self) -> bool:
        """Return whether `free` has let go of the numbers and nobody has asked for them since."""
        return self.pending is not None and self.pending is self._recover

    def written(self) -> None:
        """Update the mirror that somebody holds, after the tensor was changed in place."""
        memory = self._memory
        if memory is not None and memory.mirror is not None:
            memory.download()


def _legacy_dim(axis: int) -> property:
    """Make the property of blobs of up to 4 axes that is the size of one, 1 where it is missing."""

    def size(blob: Blob) -> int:
        if len(blob.shape) > 4:
            raise InputError(
                "num, channels, height and width are for blobs of up to 4 axes; this one has the "
                f"shape {blob.shape}: use shape."
            )
        return blob.shape[axis] if axis < len(blob.shape) else 1

    return property(size)


class Blob:
    """An N-dimensional float32 array with its gradient.

    `data` and `diff` are live NumPy arrays of `shape`: writing into them is seen by the next pass.
    `tensor()` and `gradient()` are the same numbers for the engine, in the precision in which they
    were computed until somebody asks for an array.
    """

    __slots__ = ("__weakref__", "_data", "_diff", "_spare", "_spare_wanted", "device", "shape")

    def __init__(self, shape: Sequence[int] = (), device: str | torch.device = "cpu") -> None:
        self.shape: tuple[int, ...] = tuple(shape)
        self.device = torch.device(device)
        self._data, self._diff = _Half(), _Half()
        self._spare: torch.Tensor | None = None
        self._spare_wanted = False

    # what pycaffe shows

    @property
    def data(self) -> NDArray[np.float32]:
        """The values, a live float32 array."""
        self.tensor()
        return self._data.array()

    @property
    def diff(self) -> NDArray[np.float32]:
        """The gradient of the loss, a live float32 array; zeros before a backward pass."""
        self.gradient()
        return self._diff.array()

    @property
    def count(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    num, channels, height, width = (_legacy_dim(axis) for axis in range(4))

    def reshape(self, *shape: int) -> None:
        """Change the shape; the values stay if their number does, and become zeros otherwise."""
        shape = tuple(int(dim) for dim in shape)
        if any(dim < 0 for dim in shape):
            raise InputError(f"a blob cannot have the shape {shape}: dimensions are 0 or more.")
        if shape == self.shape:
            return
        same_count = math.prod(shape) == self.count
        self.shape = shape
        for half in (self._data, self._diff):
            # What a solver has freed cannot be had back in the middle of its next pass.
            if same_count and not half.is_freed() and half.current() is not None:
                half.reshape(shape)
            else:
                half.drop()
        self._spare = None

    # what the engine uses

    def tensor(self) -> torch.Tensor:
        """Return the values as a tensor on the blob's device (zeros if none were written yet)."""
        tensor = self._data.current()
        if tensor is None:
            tensor = self._data.tensor = torch.zeros(self.shape, device=self.device)
        return tensor

    def gradient(self) -> torch.Tensor:
        """Return the diff as a tensor on the blob's device (zeros if none was written yet)."""
        gradient = self._diff.current()
        if gradient is None:
            gradient = self._diff.tensor = torch.zeros(self.shape, device=self.device)
        return gradient

    @property
    def has_data(self) -> bool:
        """Whether values were ever written or asked for."""
        return self._data.tensor is not None or self._data.pending is not None

    @property
    def has_gradient(self) -> bool:
        """Whether a diff was ever written or asked for."""
        return self._diff.tensor is not None

    def data_mark(self) -> tuple[int, ...] | None:
        """Return what is equal as long as the values are; None where somebody may write them.

        The engine's own writing into them in place is noticed where it is into `tensor()` itself.
        """
        tensor = self.tensor()
        return None if self._data.held() else (self._data.changes, tensor._version)

    @property
    def data_held(self) -> bool:
        """Whether somebody holds the memory of `data`, so that new values are written into it."""
        return self._data.held()

    def set_data(self, tensor: torch.Tensor) -> None:
        """Take `tensor` as the new values, and its shape as the new shape."""
        if tensor.shape != self.shape:
            self.shape = tuple(tensor.shape)
            self._diff.drop()
        self._data.set(tensor)

    def set_diff(self, tensor: torch.Tensor) -> None:
        """Take `tensor`, of the blob's shape, as the new diff."""
        self._diff.set(tensor)

    def set_diff_later(self, compute: Callable[[], torch.Tensor]) -> None:
        """Take what `compute()` returns as the new diff once somebody asks for the diff."""
        if self._diff.held():
            self.set_diff(compute())
        else:
            self._diff.pending = compute

    @property
    def is_seen(self) -> bool:
        """Whether somebody asked for the values, or holds them, so that they are not freed."""
        return self._data.is_wanted or self._data.held()

    @property
    def diff_is_seen(self) -> bool:
        """Whether somebody asked for the diff, or holds it, so that it is not freed."""
        return self._diff.is_wanted or self._diff.held()

    def free_data(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Let go of the values, which nobody asked for yet; `recover()` returns them if asked."""
        self._data.free(recover)

    def free_diff(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Let go of the diff, which nobody asked for yet.

        `recover()`, called if somebody does ask, returns it, or returns None and has set it.
        """
        self._diff.free(recover)

    def lose_diff(self, recover: Callable[[], torch.Tensor | None]) -> None:
        """Take the diff as freed, whatever it is now; `recover` as for `free_diff`."""
        self._diff.lose(recover)

    def forget_freed_diff(self) -> None:
        """Take a diff that was freed as one that was never written."""
        self._diff.pending = None

    def fill(self, values: torch.Tensor) -> None:
        """Copy `values`, a tensor of the blob's shape, into the present memory."""
        self.tensor().data.copy_(values)
        self._data.changes += 1
        self._data.written()

    def clear_diff(self) -> None:
        """Set the diff to zero, without touching memory that nobody looks at."""
        if self._diff.held():
            self._diff.existing().zero_()
            self._diff.written()
        else:
            if self._spare_wanted:
                self._spare = self._diff.tensor
            self._diff.drop()

    def gradient_memory(self) -> tuple[torch.Tensor | None, bool]:
        """Return the memory in which a large gradient is best computed, and whether it is the diff.

        It is the diff itself, to be added to, or the memory of one that was cleared, which
        `add_diff` takes back with the new gradient in it; None if there is neither yet.
        """
        if self._diff.tensor is not None:
            return self.gradient(), True
        spare, self._spare, self._spare_wanted = self._spare, None, True
        return spare, False

    def add_diff(self, tensor: torch.Tensor) -> None:
        """Add `tensor` to the diff; it becomes the blob's own if there was none."""
        if self._diff.tensor is None:
            self._diff.tensor = tensor.contiguous()
        else:
            self.gradient().add_(tensor)
            self._diff.written()

    def share(self, owner: Blob, diff: bool = True) -> None:
        """Use the memory of `owner` (as many values, perhaps another shape) from now on."""
        owner.tensor()
        self._data.share(owner._data, self.shape)
        if diff:
            owner.gradient()
            self._diff.share(owner._diff, self.shape)

    def data_written(self) -> None:
        """Note that the engine changed the values in place."""
        self._data.written()

    def diff_written(self) -> None:
        """Note that the engine changed the diff in place."""
        self._diff.written()
