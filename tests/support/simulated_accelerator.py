"""A make-believe GPU: device "simulated:0" of PyTorch, whose numbers lie in the host's memory.

It computes with the CPU's kernels and is as strict as CUDA where programs go wrong: what is on it
has no `.numpy()`, memory is shared with nothing on the host, and an operation on tensors of both
places raises, even where CUDA would take a single number from the host. Autograd runs it as it runs
every accelerator, in a thread of the device's own. It says nothing about CUDA's kernels.

PyTorch counts the devices at the first backward pass of a process, so conftest.py imports this
module. Where there is a CUDA device that one is tested, and nothing is registered.
"""

import torch
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "simulated"
COUNT = 1
_CPU = torch.device("cpu")
_aten = torch.ops.aten
_CROSSES_DEVICES = {_aten.copy_.default, _aten._to_copy.default}


class _Module:
    """What PyTorch asks of a kind of device, as `torch.cuda` answers it."""

    def is_available(self):
        return True

    def is_initialized(self):
        return True

    def device_count(self):
        return COUNT

    def current_device(self):
        return 0

    def synchronize(self, device=None):
        """Every operation has ended when it returns."""

    def manual_seed_all(self, seed):
        """Random numbers are those of the host."""

    def get_rng_state(self, device=None):
        return torch.get_rng_state()

    def set_rng_state(self, state, device=None):
        torch.set_rng_state(state)

    def get_device_name(self, device=None):
        return "make-believe"

    def get_device_properties(self, device=None):
        return _Properties()

    def _is_in_bad_fork(self):
        return False


class _Properties:
    name, major, minor, total_memory, multi_processor_count = "make-believe", 1, 0, 1 << 34, 1


class DeviceTensor(torch.Tensor):
    """A tensor on the device: shape and type to look at, `numbers` only for the kernels."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values):
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=torch.device(NAME, 0),
        )
        self.numbers = values
        return self

    def data_ptr(self):
        return self.numbers.data_ptr()

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        leaves = tree_leaves((args, kwargs))
        if operation not in _CROSSES_DEVICES:
            _refuse_host_tensors(operation, leaves)
        to_host = _is_host(kwargs.get("device"))
        if "device" in kwargs:
            kwargs["device"] = _CPU
        owners = {
            id(getattr(leaf, "numbers", leaf)): leaf
            for leaf in leaves
            if isinstance(leaf, torch.Tensor)
        }
        args, kwargs = tree_map(lambda leaf: getattr(leaf, "numbers", leaf), (args, kwargs))
        result = operation(*args, **kwargs)
        for leaf in leaves:
            if isinstance(leaf, cls) and leaf.numbers.shape != leaf.shape:
                raise NotImplementedError(f"{operation} changes a tensor's shape in place")
        if to_host:
            return result
        return tree_map(
            lambda leaf: owners[id(leaf)] if id(leaf) in owners else _on_device(leaf), result
        )


def _is_host(device):
    return device is not None and torch.device(device).type == "cpu"


def _on_device(leaf):
    return DeviceTensor(leaf) if isinstance(leaf, torch.Tensor) else leaf


def _refuse_host_tensors(operation, leaves):
    for leaf in leaves:
        on_host = isinstance(leaf, torch.Tensor) and not isinstance(leaf, DeviceTensor)
        if on_host or isinstance(leaf, torch.Generator):
            what = f"a tensor of shape {tuple(leaf.shape)}" if on_host else "a generator"
            raise RuntimeError(f"{operation}: {what} is on the host, others are on {NAME}:0")


# What PyTorch makes every other tensor out of on a device, or would make there and then resize.
_FACTORIES = "empty.memory_format", "empty_strided", "arange", "arange.start", "arange.start_step"


def _factory(name):
    packet, _, overload = name.partition(".")
    operation = getattr(getattr(_aten, packet), overload or "default")

    def make(*args, device=None, pin_memory=None, **kwargs):
        return DeviceTensor(operation(*args, device=_CPU, **kwargs))

    return make


def _copy_from(source, target, non_blocking=False):
    """How `torch.tensor(..., device=...)` gets its numbers there."""
    target.numbers.copy_(getattr(source, "numbers", source))
    return target


def _register():
    _setup_privateuseone_for_python_backend(NAME, _Module())
    library = torch.library.Library("aten", "IMPL")
    for name in _FACTORIES:
        library.impl(name, _factory(name), "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    return library  # to be kept: its kernels go with it


if not torch.cuda.is_available():
    _library = _register()
