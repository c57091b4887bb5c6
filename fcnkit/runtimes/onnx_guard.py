"""Looks at an ONNX file before a runtime does: what it would read, run and allocate.

A runtime executes whatever a model says. Refused are files outside the model's own folder,
operators that are not built into ONNX Runtime, loops, and values larger than free memory.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError, InputError, available_memory, brief, reading, reason
from caffeformat.files import MOST_BYTES, read_bytes

from .onnx_writer import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Operators of ONNX itself, and those that ONNX Runtime adds, for instance for quantized models.
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
_LOOPS = ("Loop", "Scan", "SequenceMap")
# Those that make no others of probabilities
_KEEPING = ("Cast", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear", "Resize", "Slice",
            "Transpose")  # fmt: skip
_MOST_NODES = 100_000
_MOST_DEPTH = 20  # of graphs in graphs
_FLOAT = 4  # bytes


class Model:
    """An ONNX file that was looked at: `metadata`, and how much memory its values would need.

    Raises `FormatError` for files that are not ONNX, and `InputError` for what is refused.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        try:
            model = onnx().load_model_from_string(read_bytes(self.path, MOST_BYTES))
        except InputError:
            raise
        except Exception as error:  # protobuf's own, which differ from release to release
            raise FormatError(
                self.path, f"not an ONNX model that can be read: {reason(error)}"
            ) from error
        if not model.graph.node:
            raise FormatError(self.path, "not an ONNX model: it has no operators")
        with reading(self.path, "not an ONNX model that can be read"):
            self.metadata: dict[str, str] = {
                entry.key: entry.value for entry in model.metadata_props
            }
            self._check_operators(model)
            initializers(self.path, model.graph)
            for tensor in _tensors(model.graph):
                check_place(self.path, tensor)
            self._outline = _outline(model)
            _check_texts(self._outline)
            for entry in model.metadata_props:
                _check_texts(entry)

    def check_memory(self, shapes: Mapping[str, tuple[int, ...]], name: str) -> None:
        """Raise `InputError` where a value for inputs of `shapes` would exceed the free memory.

        `name` is what the error calls them. Values whose size only the pass shows do not count.
        """
        free = available_memory()
        if free is None:
            return
        for value in self._inferred(shapes).graph.value_info:
            sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            if sizes and min(sizes) > 0 and _FLOAT * math.prod(sizes) > free:
                raise InputError(
                    f"{self.path}: for {name}, the value {value.name!r} of "
                    f"{'x'.join(map(str, sizes))} needs more than the {free / 2**30:.1f} GiB that "
                    "are free: pass a smaller image"
                )

    def output_shape(
        self, shapes: Mapping[str, tuple[int, ...]], output: str
    ) -> tuple[int, ...] | None:
        """The shape of `output` for inputs of `shapes`, None where only the pass shows it.

        Raises `InputError` where the operators' rules do not allow such inputs.
        """
        for value in self._inferred(shapes, is_strict=True).graph.output:
            if value.name == output:
                dims = tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
                return dims if dims and min(dims) > 0 else None
        return None

    def has_probabilities(self, output: str) -> bool:
        """Whether the values of `output` come out of a Softmax, as they are or resampled."""
        value = output
        for node in reversed(self._outline.graph.node):  # in an order in which they can be run
            if value in node.output:
                if node.op_type not in _KEEPING:
                    return bool(node.op_type == "Softmax")
                value = node.input[0]
        return False

    def _inferred(self, shapes: Mapping[str, tuple[int, ...]], is_strict: bool = False) -> Any:
        """The outline with the shapes of its values for inputs of `shapes`."""
        outline = onnx().ModelProto()
        outline.CopyFrom(self._outline)
        for value in outline.graph.input:
            dims = value.type.tensor_type.shape.dim
            for dim, size in zip(dims, shapes.get(value.name, ())):
                dim.dim_value = size
        if is_strict:  # what the model says of its outputs holds for other sizes
            for value in outline.graph.output:
                value.type.tensor_type.ClearField("shape")
        try:
            return onnx().shape_inference.infer_shapes(
                outline, strict_mode=is_strict, data_prop=True
            )
        except Exception as error:
            raise InputError(
                f"{self.path}: its shapes contradict each other: {reason(error)}"
            ) from error

    def _check_operators(self, model: Any) -> None:
        if len(model.functions):
            raise InputError(
                f"{self.path}: holds functions of its own, which can unfold without limit: inline "
                "them (onnx.inliner.inline_local_functions)"
            )
        for count, node in enumerate(_nodes(model.graph, self.path)):
            if count >= _MOST_NODES:
                raise InputError(f"{self.path}: has more than {_MOST_NODES} operators")
            what = f"{self.path}: operator {node.name or node.op_type!r} ({node.op_type})"
            if node.domain not in _DOMAINS:
                raise InputError(
                    f"{what} is not ONNX's but of {node.domain!r}: custom operators are not run"
                )
            if node.op_type in _LOOPS:
                raise InputError(f"{what}: models with loops are not run, they may never end")


def initializers(path: str, graph: Any) -> dict[str, Any]:
    """name -> tensor of the values that the model at `path` holds.

    Raises `FormatError` for two of one name, of which ONNX Runtime takes the last.
    """
    found: dict[str, Any] = {}
    for tensor in graph.initializer:
        if tensor.name in found:
            raise FormatError(path, f"two of its initializers are called {brief(tensor.name)}")
        found[tensor.name] = tensor
    return found


def check_place(path: str, tensor: Any) -> str:
    """The folder of the model at `path`, in which external data of `tensor` lies.

    Raises `InputError` where that data lies elsewhere, is missing or too short.
    """
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    if tensor.data_location != onnx().TensorProto.EXTERNAL:
        return folder
    facts = {entry.key: entry.value for entry in tensor.external_data}
    location = facts.get("location", "")
    what = f"{path}: the values of {tensor.name!r}"
    place = os.path.realpath(os.path.join(folder, location.replace("\0", "")))
    outside = os.path.isabs(location) or os.path.commonpath([folder, place]) != folder
    if not location or outside or "\0" in location:
        raise InputError(
            f"{what} lie in {location!r}, outside the model's folder: not read; put the file "
            "beside the model and name it there"
        )
    if not os.path.isfile(place):
        raise InputError(f"{what} lie in {place}: there is no such file")
    try:
        offset, length = int(facts.get("offset", 0)), int(facts.get("length", 0))
    except ValueError:
        offset = length = -1
    if min(offset, length) < 0 or offset + length > os.path.getsize(place):
        raise InputError(f"{what} lie past the end of {place}: the file is incomplete")
    return folder


def _nodes(graph: Any, path: str, depth: int = 0) -> Iterator[Any]:
    """The operators of a graph and of the graphs inside them."""
    if depth > _MOST_DEPTH:
        raise InputError(f"{path}: graphs are nested more than {_MOST_DEPTH} deep")
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                if inner.node:
                    yield from _nodes(inner, path, depth + 1)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from [attribute.t, *attribute.tensors]
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from (sparse.values, sparse.indices)
            for inner in [attribute.g, *attribute.graphs]:
                yield from _tensors(inner)


def _check_texts(message: Any) -> None:
    """Raise `ValueError` where a text in `message` is not UTF-8, for which protobuf has bytes."""
    for field, value in message.ListFields():
        is_single = hasattr(value, "ListFields") or isinstance(value, (str, bytes, int, float))
        for each in [value] if is_single else value:
            if hasattr(each, "raw_data"):  # a tensor, whose values may be many
                text = each.name
            elif hasattr(each, "ListFields"):
                _check_texts(each)
                continue
            else:
                text = each if field.type == field.TYPE_STRING else ""
            if isinstance(text, bytes):
                raise ValueError(f"{field.name}: {brief(text)} is not UTF-8")


def _outline(model: Any) -> Any:
    """`model` without the values of large tensors, whose sizes are enough to infer shapes."""
    outline = onnx().ModelProto(ir_version=model.ir_version)
    outline.opset_import.extend(model.opset_import)
    outline.graph.name = model.graph.name
    outline.graph.node.extend(model.graph.node)
    outline.graph.input.extend(model.graph.input)
    outline.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if math.prod(tensor.dims) <= 64 and tensor.data_location != onnx().TensorProto.EXTERNAL:
            outline.graph.initializer.append(tensor)
        else:
            outline.graph.initializer.append(
                onnx().TensorProto(
                    name=tensor.name,
                    dims=tensor.dims,
                    data_type=tensor.data_type,
                    data_location=onnx().TensorProto.EXTERNAL,
                )
            )
    return outline
