"""Writes parts of an ONNX graph: nodes, constants, and sizes that are known only at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from numpy.typing import ArrayLike, NDArray


def onnx() -> ModuleType:
    """The package `onnx`; raises `InputError` where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX files need the package onnx: pip install 'fcnkit[export]'") from None
    return onnx


class Writer:
    """Collects the nodes (NodeProto) and constants (TensorProto) of an ONNX graph.

    Values are identified by their names. `prefix` goes before the names that the writer makes up.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.prefix = ""
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._values: dict[str, NDArray[Any]] = {}
        self._count, self._names = 0, set[str]()

    def free(self, name: str) -> str:
        """Reserve `name`, or a similar one where the graph has it already, and return it."""
        name = name or "_"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of `operator` with one output; returns the output's name.

        Attributes that are None are left out.
        """
        return self.add_many(operator, inputs, 1, **attributes)[0]

    def add_many(
        self, operator: str, inputs: Iterable[str], outputs: int, **attributes: Any
    ) -> list[str]:
        """Add a node of `operator` with several `outputs`; returns their names."""
        self._count += 1
        base = f"{self.prefix}/{operator}_{self._count}"
        names = [base] if outputs == 1 else [f"{base}_{i}" for i in range(outputs)]
        names = [self.free(name) for name in names]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = onnx().helper.make_node(operator, list(inputs), names, name=base, **attributes)
        self.nodes.append(node)
        return names

    def constant(self, values: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        """The name of a constant of `values`; equal constants are written once."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.free(f"constant_{len(self._constants)}")
            self._constants[key] = self.initializer(name, array)
        return self._constants[key]

    def integers(self, *values: int) -> str:
        """The name of a constant int64 vector."""
        return self.constant(values, np.int64)

    def initializer(self, name: str, array: NDArray[Any]) -> str:
        """Add `array` as the initializer `name`; returns the name."""
        self._values[name] = array
        self.initializers.append(self.tensor(name, array))
        return name

    def tensor(self, name: str, array: NDArray[Any]) -> Any:
        """The TensorProto of an initializer; a subclass may keep the values elsewhere."""
        return onnx().numpy_helper.from_array(np.ascontiguousarray(array), name)

    def values(self, name: str) -> NDArray[Any] | None:
        """The values of a constant or initializer, or None for what the graph computes."""
        return self._values.get(name)

    def drop_unused(self) -> None:
        """Leave out the initializers that no node reads."""
        used = {name for node in self.nodes for name in node.input}
        self.initializers[:] = [tensor for tensor in self.initializers if tensor.name in used]

    def sizes(self, value: str, *axes: int) -> str:
        """The sizes of `value` along `axes`, at run time, as an int64 vector."""
        return self.add("Gather", self.add("Shape", value), self.integers(*axes), axis=0)

    def product(self, vector: str) -> str:
        """The product of an int64 vector's numbers, as a vector of one."""
        return self.add("ReduceProd", vector, self.integers(0), keepdims=1)

    def join(self, *vectors: str) -> str:
        """Concatenate int64 vectors."""
        return vectors[0] if len(vectors) == 1 else self.add("Concat", *vectors, axis=0)

    def cast(self, value: str, dtype: type[np.generic] = np.float32) -> str:
        """`value` as `dtype`."""
        return self.add("Cast", value, to=onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def times(self, value: str, factor: float) -> str:
        """`value` times a number; `value` itself where that is 1."""
        return value if factor == 1 else self.add("Mul", value, self.constant(factor))

    def plus(self, value: str, number: float) -> str:
        """`value` plus a number; `value` itself where that is 0."""
        return value if number == 0 else self.add("Add", value, self.constant(number))

    def power(self, value: str, exponent: float) -> str:
        """`value` to the power of a number; `value` itself where that is 1."""
        return value if exponent == 1 else self.add("Pow", value, self.constant(exponent))

    def mean(self, value: str, axes: Iterable[int]) -> str:
        """The mean over `axes`, which stay as axes of size 1."""
        return self.add("ReduceMean", value, self.integers(*axes), keepdims=1)

    def slice(self, value: str, axes: Iterable[int], starts: str, ends: str) -> str:
        """`value` from `starts` to `ends` (names of int64 vectors) along `axes`."""
        return self.add("Slice", value, starts, ends, self.integers(*axes))

    def finish(self) -> None:
        """Called once all nodes and initializers are there; a subclass may rearrange them."""
