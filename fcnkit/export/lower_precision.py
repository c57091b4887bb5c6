"""ONNX models that compute in 8-bit integers or in half precision.

Integers: weights have one scale per output channel and 7 bits, for on processors without VNNI the
sums of two products with 8 bits would be cut off at 16 bits; activations have 8 bits and one scale,
from the smallest to the largest value that was seen (ONNX Runtime's static quantization, written
as QuantizeLinear and DequantizeLinear, which other runtimes read, too). What becomes integers is
found in the graph: the convolutions that others follow, and what lies between them and can be done
with integers. The last ones, which make the scores, keep their precision, and so does all that
follows them, such as the enlargement of scores: they decide between classes and take little time.
Transposed convolutions stay, as no runtime of ours has them in integers.

Half precision: weights and activations are float16. Input, output and preprocessing stay float32.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, reason
from caffeformat.files import MOST_BYTES, read_bytes
from fcnkit.runtimes import write_onnx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Union

    from numpy.typing import NDArray

    Path = Union[str, os.PathLike[str]]

PRECISIONS = ("int8", "float16")

_MOST = float(np.finfo(np.float16).max)
_OUTSIDE = f"but float16 ends at {_MOST:g}: export it in float32, or as integers"

# Layers with weights that ONNX Runtime computes in integers.
_PRODUCTS = ("Conv", "Gemm", "MatMul")
# What it does with integers, where these are integers already.
_BETWEEN = ("Relu", "Clip", "MaxPool", "Add", "Concat", "AveragePool", "GlobalAveragePool")


def to_int8(source: Path, target: Path, inputs: Iterable[NDArray[Any]]) -> None:
    """Write the float32 ONNX model `source` as `target`, with 8-bit integers in its convolutions.

    `inputs` are arrays for the model's only input, read one at a time: their activations set the
    ranges. Batch normalization has to be folded. Raises `InputError` where nothing can be computed
    in integers, where there are no inputs, and where an activation is not finite.
    """
    _need_onnxruntime()
    from onnxruntime import quantization

    model = _read(source)
    nodes = _integer_nodes(model)
    if not nodes:
        raise InputError(
            f"{os.fspath(source)}: there is nothing to compute in integers: no convolution is "
            "followed by another one"
        )
    reader = _Reader(model.graph.input[0].name, inputs)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    del model
    with tempfile.TemporaryDirectory(prefix="fcnkit-int8-") as folder:
        path, made = (os.path.join(folder, name) for name in ("float32.onnx", "int8.onnx"))
        _write_prepared(source, path)
        try:
            quantization.quantize_static(
                path,
                made,
                reader,
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=[*_PRODUCTS, *_BETWEEN],
                nodes_to_quantize=nodes,
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except InputError:
            raise
        except Exception as error:  # ONNX Runtime has a class for each kind of fault
            if not reader.count:
                raise InputError("there are no images to calibrate on") from error
            raise InputError(
                f"{os.fspath(source)}: ONNX Runtime cannot quantize it: {reason(error)}"
            ) from error
        quantized = _read(made)
    _check_scales(quantized)
    del quantized.metadata_props[:]
    for key, value in metadata.items():
        quantized.metadata_props.add(key=key, value=value)
    write_onnx(target, quantized)


def to_half(source: Path, target: Path, inputs: Iterable[NDArray[Any]]) -> None:
    """Write the float32 ONNX model `source` as `target`, with float16 weights and activations.

    Its inputs and outputs stay float32, and so does its preprocessing. `inputs` are arrays for the
    model's only input, read one at a time. Raises `InputError`, naming the layer, where a weight,
    or for one of the inputs an activation, is outside the range of float16: there a processor that
    computes in float16 has infinity, while one that does not hides it.
    """
    _need_onnxruntime()
    model = _read(source)
    # Pixels of 16 bits are outside the range of float16 until their mean and scale are applied.
    kept = [node.name for node in model.graph.node if node.name.startswith("preprocessing/")]
    _check_weights(model.graph)
    _check_activations(source, model.graph, kept, inputs)
    with _search_path_restored():
        from onnxruntime.transformers.float16 import convert_float_to_float16
    try:
        made = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    except Exception as error:
        raise InputError(
            f"{os.fspath(source)}: ONNX Runtime cannot convert it to float16: {reason(error)}"
        ) from error
    _sort(made.graph)
    write_onnx(target, made)


class _Reader:
    """The inputs as ONNX Runtime's calibration asks for them."""

    def __init__(self, name: str, inputs: Iterable[NDArray[Any]]) -> None:
        self._name, self._inputs, self.count = name, iter(inputs), 0

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        array = next(self._inputs, None)
        self.count += array is not None
        return None if array is None else {self._name: array}


def _need_onnxruntime() -> None:
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        raise InputError(
            "models of lower precision need the package onnxruntime: pip install 'fcnkit[export]'"
        ) from None


def _read(path: Path) -> Any:
    import onnx

    try:
        return onnx.load_model_from_string(read_bytes(path, MOST_BYTES))
    except InputError:
        raise
    except Exception as error:
        raise FormatError(path, f"not an ONNX model that can be read: {reason(error)}") from error


def _write_prepared(source: Path, path: str) -> None:
    """Write the model with the shapes of its values, marked as ONNX Runtime's preparation does."""
    import onnx

    model = onnx.shape_inference.infer_shapes(_read(source))
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def _integer_nodes(model: Any) -> list[str]:
    """The names of the nodes that become integers."""
    constants = {tensor.name for tensor in model.graph.initializer}
    leads: set[str] = set()  # values on which a product with weights depends
    for node in reversed(model.graph.node):
        is_product = node.op_type in _PRODUCTS and node.input[1] in constants
        if is_product or leads.intersection(node.output):
            # Of a product the weights are no values, and its shape is not taken from here.
            leads.update(node.input[:1] if is_product else node.input)
    found: list[str] = []
    integers: set[str] = set()  # values that are integers
    for node in model.graph.node:
        if not leads.intersection(node.output):
            continue
        if node.op_type in _PRODUCTS and node.input[1] in constants:
            pass
        elif (
            node.op_type not in _BETWEEN
            or len(node.output) > 1
            or not integers.issuperset(name for name in node.input[: _operands(node)] if name)
        ):
            continue
        found.append(node.name)
        integers.update(node.output)
    return found


def _operands(node: Any) -> int:
    """How many inputs of a node are values; those behind them are limits."""
    return 1 if node.op_type == "Clip" else len(node.input)


def _check_scales(model: Any) -> None:
    """Raise `InputError` for a scale that is not a finite number: an activation was not one."""
    from onnx import numpy_helper

    for tensor in model.graph.initializer:
        if tensor.name.endswith("_scale") and not np.isfinite(numpy_helper.to_array(tensor)).all():
            raise InputError(
                f"{tensor.name[: -len('_scale')]}: its values for the images to calibrate on are "
                "not finite numbers"
            )


def _check_weights(graph: Any) -> None:
    """Raise `InputError`, naming the layer, where a float32 initializer does not fit float16."""
    from onnx import TensorProto, numpy_helper

    fillers = _fillers(graph)
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or tensor.name in fillers:
            continue
        largest = float(np.abs(numpy_helper.to_array(tensor)).max(initial=0))
        if largest > _MOST:
            node = next(node for node in graph.node if tensor.name in node.input)
            raise InputError(f"{_layer(node)}: {tensor.name} holds {largest:g}, {_OUTSIDE}")


def _check_activations(
    source: Path, graph: Any, kept: list[str], inputs: Iterable[NDArray[Any]]
) -> None:
    """Raise `InputError`, naming the layer, where a value for `inputs` does not fit float16."""
    ranges = _ranges(source, graph.input[0].name, inputs)
    fillers = _fillers(graph)
    for node in graph.node:
        if node.name in kept or fillers.intersection(node.input[2:]):
            continue
        # The input counts as a value of the first layer.
        for name in (*node.input, *node.output):
            if not ranges.get(name, 0) <= _MOST and not _is_made_by(name, graph, kept):
                raise InputError(f"{_layer(node)}: values reach {ranges[name]:g}, {_OUTSIDE}")


def _ranges(source: Path, name: str, inputs: Iterable[NDArray[Any]]) -> dict[str, float]:
    """The largest absolute value of each of a model's values for `inputs` of the name."""
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    reader = _Reader(name, inputs)
    with tempfile.TemporaryDirectory(prefix="fcnkit-float16-") as folder:
        path, augmented = (os.path.join(folder, file) for file in ("plain.onnx", "with.onnx"))
        _write_prepared(source, path)
        try:
            calibrator = create_calibrator(
                path, [], augmented, CalibrationMethod.MinMax, providers=["CPUExecutionProvider"]
            )
            calibrator.collect_data(reader)
        except InputError:
            raise
        except Exception as error:
            if not reader.count:
                raise InputError("there are no images to look for large values with") from error
            raise InputError(f"{os.fspath(source)}: ONNX Runtime fails: {reason(error)}") from error
        found = calibrator.compute_data().data
    return {
        value: float(np.abs(np.asarray(data.range_value, np.float64)).max())
        for value, data in found.items()
    }


def _sort(graph: Any) -> None:
    """Put each node behind those whose values it takes, as ONNX wants it: casts come last."""
    there = {value.name for value in (*graph.input, *graph.initializer)} | {""}
    waiting, nodes = list(graph.node), []
    while waiting:
        later = []
        for node in waiting:
            if there.issuperset(node.input):
                there.update(node.output)
                nodes.append(node)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise AssertionError("the graph has a circle")
        waiting = later
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _fillers(graph: Any) -> set[str]:
    """The constants that pad images; before a maximum that is the lowest number that there is."""
    return {node.input[2] for node in graph.node if node.op_type == "Pad" and node.input[2:]}


def _is_made_by(name: str, graph: Any, kept: list[str]) -> bool:
    """Whether a value is made by one of the nodes `kept`."""
    return any(node.name in kept and name in node.output for node in graph.node)


def _layer(node: Any) -> str:
    """The layer that a node belongs to; nodes are called after it: `conv1/Conv_3`."""
    return f"layer {node.name.rpartition('/')[0]!r}"


@contextlib.contextmanager
def _search_path_restored() -> Iterator[None]:
    """Undo what an import adds to the module search path."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
