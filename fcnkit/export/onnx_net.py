"""A net with its weights as an ONNX model: any batch and image size, Caffe's rounding and cropping.

Nodes are named after Caffe's layers and initializers as in a state dict (`conv1.weight`), so that
the way back is a matter of reading them.
"""

import os

import numpy as np

from caffeformat import FormatError, InputError, infer_shapes
from caffeformat.files import atomic_write
from caffeformat.graph import scales_of_norms, value_graph
from caffeformat.tensor_names import module_names, to_tensors

from .onnx_layers import CONVERTERS
from .onnx_writer import Writer, onnx

OPSET, IR_VERSION = 18, 9  # of 2023: what is in use reads them
_MOST_BYTES = (1 << 31) - 1  # protobuf's limit on one message


def to_onnx(net, weights, outputs=None, preprocessor=None, argmax=False):
    """The ONNX `ModelProto` that computes what `net` computes at test time.

    `net` is a current NetParameter of a deployed net (filtered, with Input layers), `weights` a
    `Weights`. Inputs and outputs keep their names, with `_` behind where a weight or an input has
    it; the inputs' batch, and where the net allows it their height and width, are free. With a
    `preprocessor` (`fcnkit.preprocessing.Preprocessor`) the one input is
    `image`, H x W x 3 uint8 RGB. With `argmax` the one output is `class_map`, the index of the
    highest score: uint8, N x H x W, or H x W where the input is an image. Raises `InputError` for
    layers that have no counterpart, with the layer's name.
    """
    graph = value_graph(net, outputs)
    shapes = infer_shapes(net)
    tensors, writer = to_tensors(graph, weights), Writer()
    for name, array in tensors.items():
        writer.initializer(writer.free(name), array)
    if preprocessor is not None and (len(graph.inputs) != 1 or len(shapes[graph.inputs[0]]) != 4):
        raise InputError("preprocessing needs a net with one input of N x 3 x height x width")
    if argmax and len(graph.outputs) != 1:
        raise InputError(
            f"argmax is of one output, but there are {', '.join(graph.outputs)}: choose one"
        )
    names = {
        name: writer.free("image" if preprocessor is not None else name) for name in graph.inputs
    }
    made = {writer.free("class_map" if argmax else name): name for name in graph.outputs}
    inputs = _inputs(net, shapes, names)
    if preprocessor is not None:
        ((blob, image),) = names.items()
        inputs = [_value(image, _image_shape(inputs[0]), np.uint8)]
        names = {blob: _preprocess(writer, image, preprocessor)}
    _convert(writer, graph, names, shapes, tensors)
    outputs = []
    for name, blob in made.items():
        value, shape, dtype = names[blob], shapes[blob], np.float32
        if argmax:
            value, dtype = _class_map(writer, value, shape, preprocessor is not None), np.uint8
            shape = None
        writer.nodes.append(
            onnx().helper.make_node("Identity", [value], [name], name=f"output/{name}")
        )
        outputs.append(_value(name, shape and [None] * len(shape), dtype))
    helper = onnx().helper
    body = helper.make_graph(
        writer.nodes, net.name or "net", inputs, outputs, initializer=writer.initializers
    )
    return helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fcnkit",
    )


def write_onnx(path, model):
    """Write `model`; `InputError` where it is too large for one file."""
    size = model.ByteSize()
    if size > _MOST_BYTES:
        raise InputError(f"{path}: would have {size} bytes; an ONNX file has less than 2 GiB")
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def read_initializers(path):
    """The initializers of an ONNX file: name -> array. `FormatError` where it is no such file."""
    try:
        model = onnx().load(os.fspath(path), load_external_data=False)
        return {
            tensor.name: onnx().numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
    except FileNotFoundError:
        raise
    except Exception as error:  # protobuf's and onnx's own, which differ from release to release
        raise FormatError(path, f"not an ONNX model that can be read: {error}") from error


class Layer:
    """A layer for its converter: `proto`, `shapes` of its bottoms at the declared input."""

    def __init__(self, proto, shapes, tensors, module):
        self.proto, self.shapes = proto, shapes
        self._tensors, self._module = tensors, module

    def parameters(self, *names):
        """Those of the layer's parameters `names` that it has, as names of initializers."""
        full = (f"{self._module}.{name}" for name in names)
        return [name for name in full if name in self._tensors]

    def rank_of(self, initializer):
        return self._tensors[initializer].ndim

    def axis(self, axis):
        """`axis`, which may count from the end, as an index into the first bottom's shape."""
        return axis % len(self.shapes[0])

    def error(self, problem):
        return InputError(f'layer "{self.proto.name}" ({self.proto.type}): {problem}')


def _convert(writer, graph, names, shapes, tensors):
    """Write the graph's nodes; `names`, value -> name in ONNX, is filled."""
    modules = module_names(graph)
    joined = {scale.name for scale in scales_of_norms(graph).values()}
    for node in graph.nodes:
        proto = node.layer
        if proto.name in joined:
            names[node.outputs[0]] = names[node.inputs[0]]
            continue
        bottoms = [shapes[blob] for blob in proto.bottom]
        layer = Layer(proto, bottoms, tensors, modules[proto.name])
        if proto.type not in CONVERTERS:
            raise layer.error(
                "has no counterpart in ONNX here; leave it out of the net that is exported, or "
                "choose an output before it"
            )
        writer.prefix = proto.name
        tops = CONVERTERS[proto.type](writer, layer, *(names[name] for name in node.inputs))
        names.update(zip(node.outputs, [tops] if isinstance(tops, str) else tops))


def _value(name, shape, dtype=np.float32):
    helper = onnx().helper
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, shape)


def _inputs(net, shapes, names):
    """The graph's inputs (blob -> name in ONNX), with names for the axes of any size."""
    larger = {
        name: (*shapes[name][:2], shapes[name][2] + 64, shapes[name][3] + 96)
        for name in names
        if len(shapes[name]) == 4
    }
    axes = ["height", "width"] if larger and takes_shapes(net, larger) else []
    values = []
    for blob, name in names.items():
        shape = list(shapes[blob])
        if blob in larger and axes:
            shape[2:] = axes
        if len(shape) > 1:
            shape[0] = "batch"
        values.append(_value(name, shape))
    return values


def takes_shapes(net, shapes):
    """Whether inputs of `shapes` fit `net`: every matrix meets as many values as before."""
    declared = infer_shapes(net)
    try:
        found = infer_shapes(net, shapes)
    except InputError:
        return False
    for layer in net.layer:
        if layer.type == "InnerProduct":
            axis, blob = layer.inner_product_param.axis, layer.bottom[0]
            if np.prod(found[blob][axis:]) != np.prod(declared[blob][axis:]):
                return False
    return True


def _image_shape(value):
    dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
    if dims[1] != 3:
        raise InputError(f"preprocessing makes 3 channels, but the net's input has {dims[1]}")
    return [*dims[2:], 3]


def _preprocess(writer, image, preprocessor):
    """H x W x 3 RGB `image` -> 1 x 3 x H x W, as `Preprocessor` does it; the result's name."""
    writer.prefix = "preprocessing"
    planes = writer.add("Transpose", writer.cast(image), perm=[2, 0, 1])
    if preprocessor.channels == "BGR":
        planes = writer.add("Gather", planes, writer.integers(2, 1, 0), axis=0)
    if preprocessor.mean is not None:
        mean = preprocessor.mean
        # A mean image fits one size only; its colour fits all.
        colour = mean if mean.ndim == 1 else mean.mean((1, 2))
        planes = writer.add("Sub", planes, writer.constant(colour[:, None, None]))
    return writer.add("Unsqueeze", writer.times(planes, preprocessor.scale), writer.integers(0))


def _class_map(writer, scores, shape, is_image):
    if len(shape) < 2 or not 2 <= shape[1] <= 256:
        raise InputError(f"argmax makes a map of bytes from 2 to 256 classes; found shape {shape}")
    writer.prefix = "class_map"
    classes = writer.cast(writer.add("ArgMax", scores, axis=1, keepdims=0), np.uint8)
    return writer.add("Squeeze", classes, writer.integers(0)) if is_image else classes
