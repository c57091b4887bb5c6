"""Lays a model's weights out so that ONNX Runtime loads them without holding them several times.

Weights that lie in a mapped caffemodel are named by their place in the file: the runtime maps what
it reads and lets go of it again. And since it packs the weights of a convolution in several copies,
large convolutions become several with fewer outputs each, side by side.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .onnx_writer import onnx
from .rewriting import RewritingWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_SMALL = 1 << 10  # bytes; shapes and the like, which a runtime reads while it loads the graph
# Weights of a convolution from which it is divided, and about how large its parts' are.
_MOST_BYTES = 16 << 20
_OUTPUTS = 64  # a part has a multiple of these, so that no block of channels is divided


class PackingWriter(RewritingWriter):
    """A `Writer` whose large initializers stay outside the graph.

    `path` is the caffemodel that they were read from. Those that are views of it, mapped, become
    external data of the model, relative to the file's folder; the others are in `arrays` (name ->
    array, C-contiguous), to be handed to the runtime.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.arrays: dict[str, NDArray[Any]] = {}
        self._path = path

    def tensor(self, name: str, array: NDArray[Any]) -> Any:
        if array.nbytes < _SMALL:
            return super().tensor(name, array)
        self.arrays[name] = np.ascontiguousarray(array)
        tensor = onnx().TensorProto(
            name=name,
            dims=array.shape,
            data_type=onnx().helper.np_dtype_to_tensor_dtype(array.dtype),
            data_location=onnx().TensorProto.EXTERNAL,
        )
        tensor.external_data.add(key="location", value=name)
        return tensor

    def drop_unused(self) -> None:
        super().drop_unused()
        used = {tensor.name for tensor in self.initializers}
        self.arrays = {name: array for name, array in self.arrays.items() if name in used}

    def finish(self) -> None:
        super().finish()
        self._divide()
        if sys.byteorder == "little":
            self._point_into_file()

    def _divide(self) -> None:
        """Divide the large convolutions among the nodes into parts with fewer outputs each."""
        nodes: list[Any] = []
        for node in self.nodes:
            weights = self.arrays.get(node.input[1]) if node.op_type == "Conv" else None
            if weights is None or weights.nbytes <= _MOST_BYTES or _group(node) != 1:
                nodes.append(node)
                continue
            step = len(weights) * _MOST_BYTES // weights.nbytes // _OUTPUTS * _OUTPUTS or _OUTPUTS
            nodes.extend(self._parts(node, step))
        self.nodes[:] = nodes
        self.drop_unused()

    def _parts(self, node: Any, step: int) -> Iterator[Any]:
        """`node`, a Conv, as several with `step` outputs each, and the Concat that joins them."""
        operands = [array for array in map(self.values, node.input[1:]) if array is not None]
        tops = []
        for begin in range(0, len(operands[0]), step):
            part = type(node)()
            part.CopyFrom(node)
            part.name = f"{node.name}/{begin}"
            part.output[0] = self.free(f"{node.output[0]}/{begin}")
            for index, array in enumerate(operands, 1):
                name = self.free(f"{node.input[index]}/{begin}")
                part.input[index] = self.initializer(name, array[begin : begin + step])
            tops.append(part.output[0])
            yield part
        yield onnx().helper.make_node(
            "Concat", tops, [node.output[0]], name=f"{node.name}/parts", axis=1
        )

    def _point_into_file(self) -> None:
        for tensor in self.initializers:
            array = self.arrays.get(tensor.name)
            offset = None if array is None else _offset(array)
            if array is None or offset is None:
                continue
            del tensor.external_data[:], self.arrays[tensor.name]
            place = {"location": os.path.basename(self._path), "offset": offset}
            for key, value in {**place, "length": array.nbytes}.items():
                tensor.external_data.add(key=key, value=str(value))


def _group(node: Any) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)


def _offset(array: NDArray[Any]) -> int | None:
    """Where in a mapped file `array`, C-contiguous, begins; None where it lies in no such file."""
    base: Any = array
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    if not isinstance(base, mmap.mmap) or array.dtype != np.dtype("<f4"):
        return None
    return array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
