"""Checks an exported model against the engine, on images of several sizes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError, infer_shapes
from caffeformat.exchange import needed_net, value_graph
from caffeformat.messages import keys_of_layers
from caffeformat.weights import arranged_blobs
from fcnkit import engine, nets
from fcnkit.engine import largest_absolute
from fcnkit.runtimes import OnnxSession, takes_shapes

from .files import read_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from caffeformat import Weights, pb
    from caffeformat.exchange import Graph
    from fcnkit.images import Preprocessor

    Shapes = dict[str, tuple[int, ...]]  # of the inputs
    Run = Callable[[Sequence[NDArray[Any]]], dict[str, NDArray[Any]]]


class Difference(NamedTuple):
    """How far one output of an exported model is from the engine's."""

    output: str  # its name
    shape: tuple[int, ...]  # of the first input
    largest_score: float  # largest |score| of the engine
    largest: float  # largest |difference|, infinite where one side alone has NaN
    unequal: float | None  # share of pixels whose class differs; None where scores are compared


# Odd sizes, because even ones hide what rounds up and down.
SIZES = ((224, 224), (225, 287), (301, 263))


def differences(
    net: pb.NetParameter,
    weights: Weights,
    path: str | os.PathLike[str],
    outputs: Sequence[str] | None = None,
    preprocessor: Preprocessor | None = None,
    argmax: bool = False,
    sizes: Iterable[tuple[int, int]] = SIZES,
    depth: str = "uint8",
) -> Iterator[Difference]:
    """Compare the engine and the exported file at `path`: a `Difference` per size and output.

    `net` is the deployed NetParameter and `outputs` the names of the exported blobs (by default all
    that no layer uses). `sizes` are (height, width); where the net does not take one, the next that
    it takes stands for it, and nets that take none near them are compared at their own size.
    `depth` is that of the images that a model with a `preprocessor` takes. An exported `.pt` is run
    as the module that it belongs to.
    """
    net = needed_net(net, outputs)
    engine_net = engine.open_net(net)
    layers = dict(zip(keys_of_layers(net.layer), net.layer))
    for name, blobs in engine.layer_params(engine_net).items():
        for blob, values in zip(blobs, arranged_blobs(layers[name], weights.get(name, ()))):
            if values is not None:
                blob.data[...] = values.reshape(blob.data.shape)
    graph = value_graph(net, outputs)
    run, fixed = _runner(net, path, graph)
    random = np.random.RandomState(0)
    for shapes in _input_shapes(net, graph.inputs, [fixed] if fixed else sizes):
        arrays: list[NDArray[Any]]
        if preprocessor is not None:
            (shape,) = shapes.values()
            most = {"uint8": 256, "uint16": 65536}.get(depth, 256)
            model_inputs = [random.randint(0, most, (*shape[2:], shape[1])).astype(depth)]
            arrays = [preprocessor(model_inputs[0])]
        else:
            arrays = model_inputs = [
                (random.standard_normal(shape) * 60).astype(np.float32) for shape in shapes.values()
            ]
        for output, made in run(model_inputs).items():
            for name, array in zip(shapes, arrays):  # each pass may lose them
                engine_net.blobs[name].reshape(*array.shape)
                engine_net.blobs[name].data[...] = array
            scores = engine.forward(engine_net, output)
            yield compare(output, made, scores, model_inputs[0].shape, argmax)


def _input_shapes(
    net: pb.NetParameter, inputs: Iterable[str], sizes: Iterable[tuple[int, int]]
) -> list[Shapes]:
    """[{input: shape}] for images of `sizes`, or the next that the net takes; else its own."""
    declared = infer_shapes(net)
    own = {name: declared[name] for name in inputs}
    if not all(len(shape) == 4 for shape in own.values()):
        return [own]
    if len(own) == 1:
        ((image, shape),) = own.items()
        score = nets.score_blob(net, image)
        if score is not None and declared.get(score, ())[2:] == shape[2:]:
            taken = nets.ImageSizes(net, image, score, (shape[2], shape[3]))
            sizes = dict.fromkeys(map(taken.nearest, sizes))
    # Of several inputs those of one size are images; others, such as a size as two numbers, stay.
    first = own[next(iter(own))][2:]
    wanted = [
        {name: (*shape[:2], *size) if shape[2:] == first else shape for name, shape in own.items()}
        for size in sizes
    ]
    return [shapes for shapes in wanted if takes_shapes(net, shapes)] or [own]


def compare(
    output: str,
    made: NDArray[Any],
    scores: NDArray[np.float32],
    shape: tuple[int, ...],
    argmax: bool = False,
) -> Difference:
    """The `Difference` between the exported model's result and the engine's scores.

    Both are of the blob `output`; with `argmax`, `made` is a class map. `shape` is the input's.
    """
    top = float(np.abs(scores[np.isfinite(scores)]).max(initial=0))
    if argmax:
        classes = scores.argmax(1).reshape(made.shape)
        return Difference(output, shape, top, 0.0, float((made != classes).mean()))
    if made.shape != scores.shape:
        raise InputError(
            f"for an input of shape {shape} the exported model returns {made.shape}, the engine "
            f"{scores.shape}"
        )
    return Difference(output, shape, top, largest_absolute(made, scores), None)


def _runner(
    net: pb.NetParameter, path: str | os.PathLike[str], graph: Graph
) -> tuple[Run, tuple[int, int] | None]:
    """A function that runs the exported model: from the inputs' arrays to {output: array}.

    And the only (height, width) of images that the model takes, None where others will do.
    """
    if os.fspath(path).endswith(".onnx"):
        session = OnnxSession(path)
        # In the graph's order, but a class map or a blob without a name is called differently.
        names = dict(zip(graph.outputs, session.outputs))
        height, width = session.sides
        return (
            lambda arrays: {output: session.run(arrays, name) for output, name in names.items()},
            None if height is None or width is None else (height, width),
        )
    outputs = list(graph.outputs)
    export = engine.load_export()
    module = export.to_module(net, read_parameters(path, net, outputs), outputs)
    return lambda arrays: dict(zip(outputs, export.apply(module, *arrays))), None
