"""What builders share: the table `BUILDERS`, and the `Place` that each one is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from caffeformat import InputError
from caffeformat.exchange import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from caffeformat import pb

# A builder takes its `Place` and the layer's inputs, and returns the layer's output or outputs.
# To a type checker all of them are tensors, whose operators and methods proxies record.
Builder = Callable[..., "torch.Tensor | list[torch.Tensor]"]

BUILDERS: Registry[Builder] = Registry()
builds = BUILDERS.converts


def append_axes(values: torch.Tensor, count: int) -> torch.Tensor:
    """Append `count` axes of size 1 to `values`."""
    index: tuple[Any, ...] = (..., *[None] * count)
    return values[index]


class Place:
    """Where a builder's layer stands, and what it may add to the module.

    `layer` is its LayerParameter, `name` its module's name, `shapes` the shapes of its bottoms at
    the net's declared input (for what does not depend on it: axes and channels), `tensors` the
    layer's parameters by name, and `is_affine` whether a Scale that belongs to it follows.
    """

    def __init__(
        self,
        root: torch.nn.Module,
        tracer: torch.fx.proxy.TracerBase,
        layer: pb.LayerParameter,
        name: str,
        shapes: Sequence[tuple[int, ...]],
        tensors: Mapping[str, NDArray[np.float32]],
        is_affine: bool,
    ) -> None:
        self._root, self._tracer = root, tracer
        self.layer, self.name, self.shapes, self.is_affine = layer, name, shapes, is_affine
        self.tensors = tensors

    def apply(self, module: torch.nn.Module, *inputs: torch.Tensor) -> Any:
        """Add `module` as that of this layer; returns its output for `inputs`."""
        self._root.add_module(self.name, module)
        return self._tracer.create_proxy("call_module", self.name, inputs, {})

    def parameter(self, name: str) -> Any:
        """Add the layer's parameter `name`, for layers that are a formula and not a module."""
        if not hasattr(self._root, self.name):
            self._root.add_module(self.name, torch.nn.Module())
        empty = torch.nn.Parameter(torch.empty(self.tensors[name].shape, device="meta"))
        getattr(self._root, self.name).register_parameter(name, empty)
        return self._tracer.create_proxy("get_attr", f"{self.name}.{name}", (), {})

    def axis(self, axis: int, bottom: int = 0) -> int:
        """Turn `axis`, which may count from the end, into an index into that bottom's shape."""
        return axis % len(self.shapes[bottom])

    def error(self, problem: str) -> InputError:
        """Make an `InputError` whose message names the layer."""
        return InputError(f'layer "{self.layer.name}" ({self.layer.type}): {problem}')
