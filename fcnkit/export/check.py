"""An exported model held against the engine, on images of several sizes."""

import collections
import os
import tempfile

import numpy as np

from caffeformat import InputError, infer_shapes, write_text
from fcnkit import engine

from .files import read_parameters
from .onnx_session import OnnxSession

Difference = collections.namedtuple("Difference", "shape largest_score largest unequal")
Difference.__doc__ = """What one input showed: its shape, the largest |score| of the engine, the
largest |difference|, and the share of pixels whose class differs (None where scores are
compared)."""

# Odd sizes, because even ones hide what rounds up and down.
SIZES = ((224, 224), (225, 287), (301, 263))


def differences(net, weights, path, output, preprocessor=None, argmax=False, sizes=SIZES):
    """A `Difference` for each of `sizes` between the engine's blob `output` and the file at `path`.

    `net` is the deployed NetParameter and `weights` a caffemodel's path. Nets that are tied to
    their size are compared at that. An exported `.pt` is run as the module that it belongs to.
    """
    message = type(net)()
    message.CopyFrom(net)
    shapes = infer_shapes(message)
    names = [top for layer in message.layer if layer.type == "Input" for top in layer.top]
    if len(names) != 1 or len(shapes[names[0]]) != 4:
        raise InputError("only nets with one input of N x C x height x width can be compared")
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "deploy.prototxt")
        write_text(file, message)
        engine_net = engine.open_net(file, "TEST")
    engine_net.copy_from(os.fspath(weights))
    run, is_fixed = _runner(net, path, output)
    channels, *declared = shapes[names[0]][1:]
    random = np.random.RandomState(0)
    for size in [tuple(declared)] if is_fixed else sizes:
        if preprocessor is not None:
            given = random.randint(0, 256, (*size, 3)).astype(np.uint8)
            array = preprocessor(given)
        else:
            array = given = (random.standard_normal((1, channels, *size)) * 60).astype(np.float32)
        blob = engine_net.blobs[names[0]]
        blob.reshape(*array.shape)
        blob.data[...] = array
        scores = engine.forward(engine_net, output)
        yield compare(run(given), scores, given.shape, argmax)


def compare(made, scores, shape, argmax=False):
    """The `Difference` between `made` and the engine's `scores` for an input of `shape`."""
    top = float(np.abs(scores).max(initial=0))
    if argmax:
        classes = scores.argmax(1).reshape(made.shape)
        return Difference(shape, top, 0.0, float((made != classes).mean()))
    if made.shape != scores.shape:
        raise InputError(
            f"for an input of shape {shape} the exported model gives {made.shape}, the engine "
            f"{scores.shape}"
        )
    return Difference(shape, top, float(np.abs(made - scores).max(initial=0)), None)


def _runner(net, path, output):
    """(function from an input to the exported model's output, whether its size is fixed)."""
    if os.fspath(path).endswith(".onnx"):
        session = OnnxSession(path)
        axes = session.input_shape[:2] if session.takes_images else session.input_shape[2:]
        wanted = None if output not in session.outputs else output
        return lambda array: session.run(array, wanted), not all(isinstance(a, str) for a in axes)
    module = engine.load_export().to_module(net, read_parameters(path, net), [output])
    is_fixed = any(layer.type == "InnerProduct" for layer in net.layer)
    return lambda array: engine.load_export().apply(module, array), is_fixed
