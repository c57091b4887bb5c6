"""Blobs: what flows between layers and what layers learn, with live NumPy faces.

A blob owns two tensors, data and diff, that are allocated when first needed. The engine swaps them
for freshly computed ones (`set_data`, `set_diff`) instead of copying, unless somebody holds a NumPy
array of the old one: then the numbers are copied into that array's memory, so that every array ever
handed out stays live, as in pycaffe. On a GPU the array is a mirror in host memory: what is written
into it goes to the device when the engine next asks for the tensor, and what the device computes is
copied back while somebody holds the array.
"""

import math
import weakref

import torch

from caffeformat import InputError


def host_copy(tensor):
    """A copy of `tensor` in host memory, or None where it is there itself."""
    return None if tensor.device.type == "cpu" else tensor.cpu()


class _Memory:
    """A tensor's memory as it is seen from outside: in the array of it that is in somebody's hands.

    Blobs that share their numbers have one in common, and so one mirror, whatever their shapes.
    """

    __slots__ = ("_array", "_tensor", "is_shared", "mirror")

    def __init__(self, tensor):
        self._tensor, self.is_shared = tensor, False
        self._array = self.mirror = None

    def array(self):
        """The tensor as a NumPy array that shares its memory (on a GPU: that of its mirror)."""
        array = self._array and self._array()
        if array is None:
            self.mirror = host_copy(self._tensor)
            array = (self._tensor if self.mirror is None else self.mirror).numpy()
            self._array = weakref.ref(array)
        return array

    def in_hands(self):
        """Whether somebody still has the array."""
        if self._array is not None and self._array() is None:
            self._array = None
        return self._array is not None

    def upload(self):
        """Take over what was written into the mirror, which is needed no longer once let go of."""
        self._tensor.data.copy_(self.mirror)
        if not self.in_hands():
            self.mirror = None

    def written(self):
        """Show in the mirror what was written on the device."""
        if self.in_hands():
            self.mirror.copy_(self._tensor)
        else:
            self.mirror = None


class _Half:
    """The data or the diff of a blob: a tensor, and its memory once somebody else sees that."""

    __slots__ = ("_memory", "pending", "tensor")

    def __init__(self):
        self.tensor = self._memory = None
        self.pending = None  # computes the tensor, when somebody asks for it

    def current(self):
        """The tensor, with what was written into its mirror; None where there is none yet."""
        memory = self._memory
        if memory is not None and memory.mirror is not None:
            memory.upload()
        return self.tensor

    def _seen(self):
        """The memory of the tensor, which others see from now on."""
        if self._memory is None:
            self.tensor = self.tensor.contiguous()
            self._memory = _Memory(self.tensor.data)
        return self._memory

    def array(self):
        """The tensor as a live array."""
        array = self._seen().array()
        return array if array.shape == self.tensor.shape else array.reshape(self.tensor.shape)

    def held(self):
        """Whether the memory is visible from outside, so that it must not be swapped."""
        return self._memory is not None and (self._memory.is_shared or self._memory.in_hands())

    def set(self, tensor):
        """Take `tensor` as the new one, in the memory that is there if that is held."""
        if self.held() and self.tensor.shape == tensor.shape:
            # .data: the graphs of earlier passes must not count this as a change to their inputs.
            self.tensor.data.copy_(tensor)
            self.written()
        else:
            self.tensor, self._memory = tensor, None

    def share(self, owner, shape):
        """Use the memory of `owner` from now on, as a tensor of `shape`."""
        self._memory = owner._seen()
        self._memory.is_shared = True
        self.tensor = owner.current().view(shape)

    def reshape(self, shape):
        """Keep the numbers and their memory, as a tensor of `shape`."""
        self.tensor = self.current().reshape(shape)

    def drop(self):
        """Forget the numbers: they are of another shape."""
        self.tensor = self.pending = self._memory = None

    def written(self):
        """The tensor was changed in place: show it in the mirror that is in somebody's hands."""
        memory = self._memory
        if memory is not None and memory.mirror is not None:
            memory.written()


class Blob:
    """An N-dimensional float32 array with its gradient.

    `data` and `diff` are live NumPy arrays of `shape`: writing into them is seen by the next pass.
    `tensor()` and `gradient()` are the same numbers for the engine.
    """

    __slots__ = ("__weakref__", "_data", "_diff", "_spare", "_spare_wanted", "device", "shape")

    def __init__(self, shape=(), device="cpu"):
        self.shape = tuple(shape)
        self.device = torch.device(device)
        self._data, self._diff = _Half(), _Half()
        self._spare, self._spare_wanted = None, False

    # pycaffe's face

    @property
    def data(self):
        """The values, a live float32 array."""
        self.tensor()
        return self._data.array()

    @property
    def diff(self):
        """The gradient of the loss by the values, a live float32 array; zeros before a backward."""
        self.gradient()
        return self._diff.array()

    @property
    def count(self):
        """The number of values."""
        return math.prod(self.shape)

    @property
    def num(self):
        return self._legacy_dim(0)

    @property
    def channels(self):
        return self._legacy_dim(1)

    @property
    def height(self):
        return self._legacy_dim(2)

    @property
    def width(self):
        return self._legacy_dim(3)

    def _legacy_dim(self, axis):
        if len(self.shape) > 4:
            raise InputError(
                "num, channels, height and width are for blobs of up to 4 axes; this one has shape "
                f"{self.shape}: use shape."
            )
        return self.shape[axis] if axis < len(self.shape) else 1

    def reshape(self, *shape):
        """Change the shape; the values stay where their number stays, and are zeros otherwise."""
        shape = tuple(int(dim) for dim in shape)
        if any(dim < 0 for dim in shape):
            raise InputError(f"a blob cannot have the shape {shape}: dimensions are 0 or more.")
        if shape == self.shape:
            return
        same_count = math.prod(shape) == self.count
        self.shape = shape
        for half in (self._data, self._diff):
            if half.tensor is not None and same_count:
                half.reshape(shape)
            else:
                half.drop()
        self._spare = None

    # the engine's face

    def tensor(self):
        """The values as a tensor on the blob's device (zeros when nothing was written yet)."""
        if self._data.tensor is None:
            self._data.tensor = torch.zeros(self.shape, device=self.device)
        return self._data.current()

    def gradient(self):
        """The diff as a tensor on the blob's device (zeros when nothing was written yet)."""
        if self._diff.pending is not None:
            self.set_diff(self._diff.pending())
        if self._diff.tensor is None:
            self._diff.tensor = torch.zeros(self.shape, device=self.device)
        return self._diff.current()

    @property
    def has_data(self):
        """Whether values were ever written, or asked for."""
        return self._data.tensor is not None

    @property
    def has_gradient(self):
        """Whether a diff was ever written, or asked for."""
        return self._diff.tensor is not None

    @property
    def data_held(self):
        """Whether the memory of `data` is in somebody's hands and will be written into."""
        return self._data.held()

    def set_data(self, tensor):
        """Take `tensor` as the new values, and its shape as the new shape."""
        if tensor.shape != self.shape:
            self.shape = tuple(tensor.shape)
            self._diff.drop()
        self._data.set(tensor)

    def set_diff(self, tensor):
        """Take `tensor`, of the blob's shape, as the new diff."""
        self._diff.pending = None
        self._diff.set(tensor)

    def set_diff_later(self, compute):
        """Take what `compute()` returns as the new diff, once somebody asks for the diff."""
        if self._diff.held():
            self.set_diff(compute())
        else:
            self._diff.pending = compute

    def fill(self, values):
        """Copy `values` (tensor of the blob's shape) into the memory that is there."""
        self.tensor().data.copy_(values)
        self._data.written()

    def clear_diff(self):
        """Set the diff to zero, without touching memory that nobody looks at."""
        if self._diff.held():
            self._diff.tensor.zero_()
            self._diff.written()
        else:
            if self._spare_wanted:
                self._spare = self._diff.tensor
            self._diff.drop()

    def gradient_memory(self):
        """(memory, whether it is the diff): where a large gradient is best computed.

        The diff itself, to be added to, or memory of one that was cleared, which `add_diff` takes
        back with the new gradient in it; None where there is neither yet.
        """
        if self._diff.tensor is not None:
            return self.gradient(), True
        spare, self._spare, self._spare_wanted = self._spare, None, True
        return spare, False

    def add_diff(self, tensor):
        """Add `tensor` to the diff; it becomes the blob's own where there was none."""
        if self._diff.tensor is None:
            self._diff.tensor = tensor.contiguous()
        else:
            self.gradient().add_(tensor)
            self._diff.written()

    def share(self, owner, diff=True):
        """Use the memory of `owner` (as many values, perhaps another shape) from now on."""
        owner.tensor()
        self._data.share(owner._data, self.shape)
        if diff:
            owner.gradient()
            self._diff.share(owner._diff, self.shape)

    def data_written(self):
        """To be called after the engine changed the values in place."""
        self._data.written()

    def diff_written(self):
        """To be called after the engine changed the diff in place."""
        self._diff.written()
