"""An exported model held against the engine, on images of several sizes."""

import collections
import os
import tempfile

import numpy as np

from caffeformat import InputError, infer_shapes, write_text
from caffeformat.graph import value_graph
from fcnkit import engine
from fcnkit.differences import largest_absolute

from .files import read_parameters
from .onnx_net import takes_shapes
from .onnx_session import OnnxSession

Difference = collections.namedtuple("Difference", "output shape largest_score largest unequal")
Difference.__doc__ = """What one output showed: its name, the shape of the first input, the largest
|score| of the engine, the largest |difference| (infinite for NaN on one side alone), and the share
of pixels whose class differs (None where scores are compared)."""

# Odd sizes, because even ones hide what rounds up and down.
SIZES = ((224, 224), (225, 287), (301, 263))


def differences(net, weights, path, outputs=None, preprocessor=None, argmax=False, sizes=SIZES):
    """A `Difference` for each of `sizes` and `outputs` between the engine and the file at `path`.

    `net` is the deployed NetParameter, `weights` the `Weights` and `outputs` the names of the blobs
    that were exported (all that no layer uses by default). Sizes that
    the net cannot take are left out; nets that take none of them are compared at their own. An
    exported `.pt` is run as the module that it belongs to.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "deploy.prototxt")
        write_text(file, net)
        engine_net = engine.open_net(file, "TEST")
    for name, blobs in engine_net.params.items():
        for blob, values in zip(blobs, weights.get(name, ())):
            blob.data[...] = values.reshape(blob.data.shape)
    graph = value_graph(net, outputs)
    run = _runner(net, path, graph)
    random = np.random.RandomState(0)
    for shapes in _input_shapes(net, graph.inputs, sizes):
        if preprocessor is not None:
            (shape,) = shapes.values()
            given = [random.randint(0, 256, (*shape[2:], 3)).astype(np.uint8)]
            arrays = [preprocessor(given[0])]
        else:
            arrays = given = [
                (random.standard_normal(shape) * 60).astype(np.float32) for shape in shapes.values()
            ]
        for output, made in run(given).items():
            for name, array in zip(shapes, arrays):  # each pass may lose them
                engine_net.blobs[name].reshape(*array.shape)
                engine_net.blobs[name].data[...] = array
            scores = engine.forward(engine_net, output)
            yield compare(output, made, scores, given[0].shape, argmax)


def _input_shapes(net, inputs, sizes):
    """[{input: shape}] of images of `sizes`, as far as the net takes them; else its own."""
    declared = infer_shapes(net)
    own = {name: declared[name] for name in inputs}
    if not all(len(shape) == 4 for shape in own.values()):
        return [own]
    wanted = [{name: (*own[name][:2], *size) for name in own} for size in sizes]
    return [shapes for shapes in wanted if takes_shapes(net, shapes)] or [own]


def compare(output, made, scores, shape, argmax=False):
    """The `Difference` between `made` and the engine's `scores`, both of the blob `output`."""
    top = float(np.abs(scores[np.isfinite(scores)]).max(initial=0))
    if argmax:
        classes = scores.argmax(1).reshape(made.shape)
        return Difference(output, shape, top, 0.0, float((made != classes).mean()))
    if made.shape != scores.shape:
        raise InputError(
            f"for an input of shape {shape} the exported model gives {made.shape}, the engine "
            f"{scores.shape}"
        )
    return Difference(output, shape, top, largest_absolute(made, scores), None)


def _runner(net, path, graph):
    """A function from the inputs' arrays to {output: array} of the exported model."""
    if os.fspath(path).endswith(".onnx"):
        session = OnnxSession(path)
        # In the graph's order, but a class map or a blob without a name has another one.
        names = dict(zip(graph.outputs, session.outputs))
        return lambda arrays: {output: session.run(arrays, name) for output, name in names.items()}
    outputs = list(graph.outputs)
    export = engine.load_export()
    module = export.to_module(net, read_parameters(path, net, outputs), outputs)
    return lambda arrays: dict(zip(outputs, export.apply(module, *arrays)))
