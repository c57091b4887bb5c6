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


class _Half:
    """The data or the diff of a blob: a tensor, and the array of it that is in somebody's hands."""

    __slots__ = ("_array", "_mirror", "owner", "pending", "tensor")

    def __init__(self):
        self.tensor = None
        self.pending = None  # computes the tensor, when somebody asks for it
        self.owner = None  # the half whose memory this is, where it is shared (perhaps itself)
        self._array = self._mirror = None

    def current(self):
        """The tensor, with what was written into mirrors of it; None where there is none yet."""
        if self._mirror is not None:
            self._upload()
        elif self.owner is not None and self.owner._mirror is not None:
            self.owner._upload()
        return self.tensor

    def array(self):
        """The tensor as a NumPy array that shares its memory (on a GPU: that of its mirror)."""
        array = self._array and self._array()
        if array is None:
            if not self.tensor.is_contiguous():
                self.tensor = self.tensor.contiguous()
            self._mirror = host_copy(self.tensor)
            array = (self.tensor if self._mirror is None else self._mirror).numpy()
            self._array = weakref.ref(array)
        return array

    def _is_in_hands(self):
        if self._array is not None and self._array() is None:
            self._array = None
        return self._array is not None

    def held(self):
        """Whether the memory is visible from outside, so that it must not be swapped."""
        return self.owner is not None or self._is_in_hands()

    def set(self, tensor):
        """Take `tensor` as the new one, in the memory that is there if that is held."""
        if self.held() and self.tensor.shape == tensor.shape:
            # .data: the graphs of earlier passes must not count this as a change to their inputs.
            self.tensor.data.copy_(tensor)
            self.written()
        else:
            self.tensor = tensor
            self.forget_array()

    def share(self, owner, shape):
        """Use the memory of `owner` from now on, as a tensor of `shape`."""
        owner.owner = owner.owner or owner
        self.owner = owner.owner
        self.tensor = owner.current().view(shape)
        self.forget_array()

    def forget_array(self):
        """Let the array that was handed out keep its memory, and no longer follow it."""
        self._array = self._mirror = None

    def drop(self):
        """Forget the numbers: they are of another shape."""
        self.tensor = self.pending = None
        self.forget_array()

    def _upload(self):
        self.tensor.data.copy_(self._mirror)
        if not self._is_in_hands():
            self._mirror = None

    def written(self):
        """The tensor was changed in place: show it in the mirror that is in somebody's hands."""
        if self._mirror is not None:
            if self._is_in_hands():
                self._mirror.copy_(self.tensor)
            else:
                self._mirror = None


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
                half.tensor = half.current().reshape(shape)
                half.forget_array()
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

    def written(self):
        """To be called after data and diff were changed in place by the engine."""
        self._data.written()
        self._diff.written()
