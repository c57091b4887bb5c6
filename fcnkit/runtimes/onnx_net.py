"""Converts a net with weights to ONNX: any batch and image size, Caffe's rounding and cropping.

Nodes are named after Caffe's layers, and initializers as in a state dict (`conv1.weight`), so that
they can be read back by name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, atomic_write, infer_shapes
from caffeformat.exchange import (
    bottom_shapes,
    module_names,
    needed_net,
    scales_of_norms,
    to_tensors,
    value_graph,
)
from caffeformat.files import MOST_BYTES, open_file
from fcnkit.nets import net_parameters

from .onnx_guard import check_place, initializers
from .onnx_layers import CONVERTERS
from .onnx_writer import Writer, onnx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caffeformat import Weights, pb
    from caffeformat.exchange import Graph
    from fcnkit.images import Preprocessor

    Shapes = Mapping[str, tuple[int, ...]]  # blob -> shape
    Tensors = Mapping[str, NDArray[Any]]
    Axes = Sequence[int | str | None]  # sizes, names of free axes, or unknown

OPSET, IR_VERSION = 18, 9  # of 2023: everything in use reads them
_MOST_BYTES = (1 << 31) - 1  # protobuf's limit on one message


def to_onnx(
    net: pb.NetParameter,
    weights: Weights,
    outputs: Sequence[str] | None = None,
    preprocessor: Preprocessor | None = None,
    argmax: bool = False,
    depth: str = "uint8",
    writer: Writer | None = None,
) -> Any:
    """The ONNX `ModelProto` that computes what `net` computes at test time.

    `net` is a current NetParameter of a deployed net (filtered, with Input layers); `outputs` are
    the blobs to export (default: all that no layer uses). Inputs and outputs keep their names, with
    `_` appended where a weight or an input has the same name; the batch size of inputs is free, and
    so are height and width where the net allows it. With a `preprocessor` the only input is
    `image`, H x W x channels of the type `depth` ("uint8", "uint16" or "float32"), RGB where it has
    three. With `argmax` the only output is `class_map`, the index of the
    highest score: uint8, N x H x W, or H x W where the input is an image. `writer` is a fresh one
    that arranges them in its own way. Raises `InputError` with the layer's name for layers that
    have no counterpart.
    """
    graph = value_graph(net, outputs)
    _refuse_unknown(graph)
    net = needed_net(net, outputs)
    shapes = infer_shapes(net)
    tensors, writer = to_tensors(graph, weights), writer or Writer()
    for name, array in tensors.items():
        writer.initializer(writer.free(name), array)
    if preprocessor is not None and (len(graph.inputs) != 1 or len(shapes[graph.inputs[0]]) != 4):
        raise InputError("preprocessing needs a net with a single input of N x 3 x height x width")
    if argmax and len(graph.outputs) != 1:
        raise InputError(
            f"argmax needs a single output, but there are {', '.join(graph.outputs)}: choose one"
        )
    names = {
        name: writer.free("image" if preprocessor is not None else name) for name in graph.inputs
    }
    made = {writer.free("class_map" if argmax else name): name for name in graph.outputs}
    inputs = _inputs(net, shapes, names)
    if preprocessor is not None:
        ((blob, image),) = names.items()
        inputs = [_value(image, _image_shape(inputs[0]), np.dtype(depth).type)]
        names = {blob: _preprocess(writer, image, preprocessor, shapes[blob][1])}
    _convert(writer, graph, names, shapes, tensors)
    values = []
    for name, blob in made.items():
        value, shape = names[blob], shapes[blob]
        if argmax:
            value = _class_map(writer, value, shape, preprocessor is not None)
        writer.nodes.append(
            onnx().helper.make_node("Identity", [value], [name], name=f"output/{name}")
        )
        values.append(_value(name, None, np.uint8) if argmax else _value(name, [None] * len(shape)))
    writer.finish()
    helper = onnx().helper
    body = helper.make_graph(
        writer.nodes, net.name or "net", inputs, values, initializer=writer.initializers
    )
    return helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fcnkit",
    )


def write_onnx(path: str | os.PathLike[str], model: Any) -> None:
    """Write a `ModelProto`; raises `InputError` where it is too large for one file."""
    size = model.ByteSize()
    if size > _MOST_BYTES:
        raise InputError(
            f"{path}: would have {size} bytes, but an ONNX file must be smaller than 2 GiB"
        )
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def read_initializers(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read the initializers of an ONNX file: name -> array.

    Their values may lie in another file of its folder. Raises `FormatError` where it is not an ONNX
    file, and `InputError` for values elsewhere.
    """
    try:
        with open_file(path, MOST_BYTES) as file:
            model = onnx().load_model_from_string(file.read())
        return {
            name: onnx().numpy_helper.to_array(tensor, check_place(os.fspath(path), tensor))
            for name, tensor in initializers(os.fspath(path), model.graph).items()
        }
    except InputError:
        raise
    except Exception as error:  # protobuf's and onnx's own, which differ from release to release
        raise FormatError(path, f"not an ONNX model that can be read: {error}") from error


class Layer:
    """A layer for its converter: `proto`, and the `shapes` of its bottoms at the declared input."""

    def __init__(
        self,
        proto: pb.LayerParameter,
        shapes: Sequence[tuple[int, ...]],
        tensors: Tensors,
        module: str,
    ) -> None:
        self.proto, self.shapes = proto, shapes
        self._tensors, self._module = tensors, module

    def parameters(self, *names: str) -> list[str]:
        """The initializers' names of those parameters among `names` that the layer has."""
        full = (f"{self._module}.{name}" for name in names)
        return [name for name in full if name in self._tensors]

    def rank_of(self, initializer: str) -> int:
        """The number of axes of an initializer."""
        return self._tensors[initializer].ndim

    def axis(self, axis: int) -> int:
        """`axis`, which may count from the end, as an index into the first bottom's shape."""
        return axis % len(self.shapes[0])

    def error(self, problem: str) -> InputError:
        """An error to raise that names the layer."""
        return InputError(f'layer "{self.proto.name}" ({self.proto.type}): {problem}')


def _refuse_unknown(graph: Graph) -> None:
    for node in graph.nodes:
        if node.layer.type not in CONVERTERS:
            raise Layer(node.layer, [], {}, "").error(
                "there is no ONNX counterpart; leave it out of the exported net, or choose an "
                "output before it"
            )


def _convert(
    writer: Writer, graph: Graph, names: dict[str, str], shapes: Shapes, tensors: Tensors
) -> None:
    """Write the graph's nodes, adding each value to `names`: value -> name in ONNX."""
    modules, shapes_of = module_names(graph), bottom_shapes(graph, shapes)
    joined = {scale.name for scale in scales_of_norms(graph).values()}
    for node in graph.nodes:
        proto = node.layer
        if proto.name in joined:
            names[node.outputs[0]] = names[node.inputs[0]]
            continue
        layer = Layer(proto, shapes_of[proto.name], tensors, modules[proto.name])
        writer.prefix = proto.name
        tops = CONVERTERS[proto.type](writer, layer, *(names[name] for name in node.inputs))
        names.update(zip(node.outputs, [tops] if isinstance(tops, str) else tops))


def _value(name: str, shape: Axes | None, dtype: type[np.generic] = np.float32) -> Any:
    helper = onnx().helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def _inputs(net: pb.NetParameter, shapes: Shapes, names: Mapping[str, str]) -> list[Any]:
    """The graph's inputs `names` (blob -> name in ONNX), with names for axes of any size."""
    larger = {
        name: (*shapes[name][:2], shapes[name][2] + 64, shapes[name][3] + 96)
        for name in names
        if len(shapes[name]) == 4
    }
    axes = ["height", "width"] if larger and takes_shapes(net, larger) else []
    values = []
    for blob, name in names.items():
        shape: list[int | str | None] = list(shapes[blob])
        if blob in larger and axes:
            shape[2:] = axes
        if len(shape) > 1:
            shape[0] = "batch"
        values.append(_value(name, shape))
    return values


def takes_shapes(net: pb.NetParameter, shapes: Shapes) -> bool:
    """Whether inputs of `shapes` fit `net`: no layer's parameters would get other shapes."""
    declared = _parameter_shapes(net)
    try:
        return _parameter_shapes(net, shapes) == declared
    except InputError:
        return False


def _parameter_shapes(
    net: pb.NetParameter, shapes: Shapes | None = None
) -> list[list[tuple[int, ...]]]:
    return [[blob.shape for blob in blobs] for _, blobs in net_parameters(net, shapes)]


def _image_shape(value: Any) -> list[int | str | None]:
    dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
    return [*dims[2:], dims[1]]


def _preprocess(writer: Writer, image: str, preprocessor: Preprocessor, channels: int) -> str:
    """Write what `Preprocessor` does: H x W x C `image` -> 1 x C x H x W, the result's name."""
    writer.prefix = "preprocessing"
    planes = writer.add("Transpose", writer.cast(image), perm=[2, 0, 1])
    if preprocessor.channels == "BGR" and channels == 3:
        planes = writer.add("Gather", planes, writer.integers(2, 1, 0), axis=0)
    if preprocessor.mean is not None:
        mean = preprocessor.mean
        # A mean image fits one size only; its mean colour fits all.
        colour = mean if mean.ndim == 1 else mean.mean((1, 2))
        preprocessor.check(channels)
        planes = writer.add("Sub", planes, writer.constant(colour[:, None, None]))
    return writer.add("Unsqueeze", writer.times(planes, preprocessor.scale), writer.integers(0))


def _class_map(writer: Writer, scores: str, shape: tuple[int, ...], is_image: bool) -> str:
    if len(shape) < 2 or not 2 <= shape[1] <= 256:
        raise InputError(f"argmax needs scores of 2 to 256 classes, found shape {shape}")
    writer.prefix = "class_map"
    classes = writer.cast(writer.add("ArgMax", scores, axis=1, keepdims=0), np.uint8)
    return writer.add("Squeeze", classes, writer.integers(0)) if is_image else classes
