"""Blobs: what flows between layers and what layers learn, with live NumPy faces.

A blob owns two tensors, data and diff, that are allocated when first needed. The engine swaps them
for freshly computed ones (`set_data`, `set_diff`) instead of copying, unless somebody holds a NumPy
array of the old one: then the numbers are copied into that array's memory, so that every array ever
handed out stays live, as in pycaffe. On a GPU the array is a mirror in host memory, which the net
brings up to date around each pass (`upload`, `download`).
"""

import math
import weakref

import torch

from caffeformat import InputError


class _Half:
    """The data or the diff of a blob: a tensor, and the array of it that is in somebody's hands."""

    __slots__ = ("_array", "_mirror", "pending", "pinned", "tensor")

    def __init__(self):
        self.tensor = None
        self.pending = None  # computes the tensor, when somebody asks for it
        self.pinned = False  # memory shared with another blob: always copied into, never swapped
        self._array = None
        self._mirror = None

    def array(self):
        """The tensor as a NumPy array that shares its memory (on a GPU: that of its mirror)."""
        array = self._array and self._array()
        if array is None:
            if not self.tensor.is_contiguous():
                self.tensor = self.tensor.contiguous()
            host = self.tensor
            if host.device.type != "cpu":
                host = self._mirror = host.cpu()
            array = host.numpy()
            self._array = weakref.ref(array)
        return array

    def held(self):
        """Whether the memory is visible from outside, so that it must not be swapped."""
        if self.pinned:
            return True
        if self._array is None:
            return False
        if self._array() is None:
            self._array = self._mirror = None
            return False
        return True

    def set(self, tensor):
        if self.held() and self.tensor.shape == tensor.shape:
            # .data: the graphs of earlier passes must not count this as a change to their inputs.
            self.tensor.data.copy_(tensor)
            self.download()
        else:
            self.tensor = tensor
            self.forget_array()

    def forget_array(self):
        """Let the array that was handed out keep its memory, and no longer follow it."""
        self._array = self._mirror = None

    def drop(self):
        """Forget the numbers: they are of another shape."""
        self.tensor = self.pending = None
        self.forget_array()

    def upload(self):
        """What was written into the mirror goes to the device."""
        if self._mirror is not None and self.held():
            self.tensor.data.copy_(self._mirror)

    def download(self):
        """What the device computed becomes visible in the mirror."""
        if self._mirror is not None:
            self._mirror.copy_(self.tensor)


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
                half.upload()
                half.tensor = half.tensor.reshape(shape)
                half.forget_array()
            else:
                half.drop()
        self._spare = None

    # the engine's face

    def tensor(self):
        """The values as a tensor on the blob's device (zeros when nothing was written yet)."""
        if self._data.tensor is None:
            self._data.tensor = torch.zeros(self.shape, device=self.device)
        return self._data.tensor

    def gradient(self):
        """The diff as a tensor on the blob's device (zeros when nothing was written yet)."""
        if self._diff.pending is not None:
            self.set_diff(self._diff.pending())
        if self._diff.tensor is None:
            self._diff.tensor = torch.zeros(self.shape, device=self.device)
        return self._diff.tensor

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
        self._data.download()

    def clear_diff(self):
        """Set the diff to zero, without touching memory that nobody looks at."""
        if self._diff.held():
            self._diff.tensor.zero_()
            self._diff.download()
        else:
            if self._spare_wanted:
                self._spare = self._diff.tensor
            self._diff.tensor = None

    def gradient_memory(self):
        """(memory, whether it is the diff): where a large gradient is best computed.

        The diff itself, to be added to, or memory of one that was cleared, which `add_diff` takes
        back with the new gradient in it; None where there is neither yet.
        """
        if self._diff.tensor is not None:
            return self._diff.tensor, True
        spare, self._spare, self._spare_wanted = self._spare, None, True
        return spare, False

    def add_diff(self, tensor):
        """Add `tensor` to the diff; it becomes the blob's own where there was none."""
        if self._diff.tensor is None:
            self._diff.tensor = tensor.contiguous()
        else:
            self._diff.tensor.add_(tensor)
            self._diff.download()

    def share(self, owner, diff=True):
        """Use the memory of `owner` (as many values, perhaps another shape) from now on."""
        owner.tensor()
        for mine, theirs in ((self._data, owner._data), (self._diff, owner._diff)):
            if theirs is owner._diff:
                if not diff:
                    continue
                owner.gradient()
            theirs.pinned = mine.pinned = True
            mine.tensor = theirs.tensor.view(self.shape)
            mine.forget_array()

    def written(self):
        """To be called after data and diff were changed in place by the engine."""
        self._data.download()
        self._diff.download()

    def upload(self):
        """Before a pass: what was written into arrays goes to the device (nothing on the CPU)."""
        self._data.upload()
        self._diff.upload()
