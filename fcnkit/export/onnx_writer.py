"""What ONNX layers are written with: nodes, constants and sizes that are known only at run time."""

import numpy as np

from caffeformat import InputError


def onnx():
    """The `onnx` package; `InputError` where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise InputError("ONNX files need the package onnx: pip install 'fcnkit[export]'") from None
    return onnx


class Writer:
    """Collects an ONNX graph's nodes and constants.

    Values are known by their names. `prefix` goes before the names that the writer makes up.
    """

    def __init__(self):
        self.nodes, self.initializers, self.prefix = [], [], ""
        self._constants, self._count, self._names = {}, 0, set()

    def free(self, name):
        """`name`, or one like it that nothing in the graph has yet; nothing else gets it."""
        name = name or "_"
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name

    def add(self, operator, *inputs, outputs=1, **attributes):
        """A node of `operator`; returns its output's name, or a list of names where many."""
        self._count += 1
        base = f"{self.prefix}/{operator}_{self._count}"
        names = [base] if outputs == 1 else [f"{base}_{i}" for i in range(outputs)]
        names = [*map(self.free, names)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = onnx().helper.make_node(operator, inputs, names, name=base, **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def constant(self, values, dtype=np.float32):
        """The name of a constant of `values`; equal ones are written once."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = self.free(f"constant_{len(self._constants)}")
            self._constants[key] = self.initializer(name, array)
        return self._constants[key]

    def integers(self, *values):
        """The name of a constant int64 vector."""
        return self.constant(values, np.int64)

    def initializer(self, name, array):
        """Enter `array` as the initializer `name`; returns the name."""
        self.initializers.append(onnx().numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def sizes(self, value, *axes):
        """The sizes of `value` along `axes`, at run time, as an int64 vector."""
        return self.add("Gather", self.add("Shape", value), self.integers(*axes), axis=0)

    def join(self, *vectors):
        """Several int64 vectors as one."""
        return vectors[0] if len(vectors) == 1 else self.add("Concat", *vectors, axis=0)

    def cast(self, value, dtype=np.float32):
        return self.add("Cast", value, to=onnx().helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def times(self, value, factor):
        """`value` times a number; `value` itself where that is 1."""
        return value if factor == 1 else self.add("Mul", value, self.constant(factor))

    def plus(self, value, number):
        """`value` plus a number; `value` itself where that is 0."""
        return value if number == 0 else self.add("Add", value, self.constant(number))

    def power(self, value, exponent):
        """`value` to the power of a number; `value` itself where that is 1."""
        return value if exponent == 1 else self.add("Pow", value, self.constant(exponent))

    def mean(self, value, axes):
        """The mean over `axes`, which stay as axes of 1."""
        return self.add("ReduceMean", value, self.integers(*axes), keepdims=1)

    def slice(self, value, axes, starts, ends):
        """`value` from `starts` to `ends` (names of int64 vectors) along `axes`."""
        return self.add("Slice", value, starts, ends, self.integers(*axes))
