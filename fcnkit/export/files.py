"""Reads and writes a net's parameters in every supported file format, chosen by file name."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import InputError, filter_net, pb, read_caffemodel, write_caffemodel
from caffeformat.exchange import from_tensors, statistics, to_tensors, value_graph
from caffeformat.messages import has_scale_and_bias, keys_of_layers
from caffeformat.weights import arranged_blobs
from fcnkit import engine, nets
from fcnkit.engine import largest_absolute
from fcnkit.runtimes import read_initializers, to_onnx, write_onnx
from fcnkit.state_dicts import read_state_dict
from fcnkit.surgery import check_fit

from .fixed_size import fix_size
from .tensor_files import read_safetensors, write_safetensors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Union

    from numpy.typing import NDArray

    from caffeformat import Weights

    Path = Union[str, os.PathLike[str]]
    Array = NDArray[np.float32]

KINDS = (".caffemodel", ".h5", ".onnx", ".safetensors", ".pt")


def deployed(net: pb.NetParameter) -> pb.NetParameter:
    """`net` for deployment: its layers for phase TEST and stage deploy, without data and losses."""
    found = filter_net(net, pb.TEST, stages=("deploy",))
    if nets.data_layers(found) or not any(layer.type == "Input" for layer in found.layer):
        found, _ = nets.deploy_net(net, (224, 224))
    return found


def kind_of(path: Path) -> str:
    """The ending of `path`, which determines the format; raises `InputError` for unknown ones."""
    ending = os.path.splitext(os.fspath(path))[1]
    if ending not in KINDS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(KINDS)}")
    return ending


def read_parameters(
    path: Path, net: pb.NetParameter, outputs: Sequence[str] | None = None
) -> Weights:
    """Read `Weights` for the layers of `net` (a deployed NetParameter) from the file at `path`.

    `outputs` are the names of the exported blobs where the file holds only a part of the net.
    Raises `InputError` for files that cannot be read and for those of other nets.
    """
    kind = kind_of(path)
    if kind in (".caffemodel", ".h5"):
        weights = read_caffemodel(path)
    else:
        weights = _from_tensor_file(path, kind, net, outputs)
    if outputs is None:  # a file of a part of the net may lack the rest
        check_fit(weights, net, os.fspath(path), net.name or "the net")
    return weights


def _from_tensor_file(
    path: Path, kind: str, net: pb.NetParameter, outputs: Sequence[str] | None
) -> Weights:
    sums = None
    if kind == ".onnx":
        tensors = read_initializers(path)
    elif kind == ".safetensors":
        tensors, sums = read_safetensors(path)
    else:
        tensors = read_state_dict(path)
    try:
        weights = from_tensors(value_graph(net, outputs), tensors, sums)
    except InputError as error:
        raise error.prefixed(os.fspath(path)) from error
    weights.name = net.name
    return weights


def write_parameters(
    path: Path,
    net: pb.NetParameter,
    weights: Weights,
    outputs: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    **onnx_options: Any,
) -> None:
    """Write `weights` of `net` to `path` in the format of its ending; ONNX includes the net.

    `size` (height, width) fixes that of the ONNX model's images, one at a time; `onnx_options` go
    to `to_onnx`. A caffemodel gets the layers that `net` has. Raises `InputError` for weights that
    are not finite numbers: they compute nothing, and would agree with nothing.
    """
    kind, graph = kind_of(path), value_graph(net, outputs)
    _refuse_not_finite(net, weights)
    if kind in (".caffemodel", ".h5"):
        kept = {key: weights[key] for key in keys_of_layers(net.layer) if key in weights}
        write_caffemodel(path, kept, net)
    elif kind == ".onnx":
        model = to_onnx(net, weights, outputs, **onnx_options)
        if size is not None:
            fix_size(model, net, size, outputs)
        write_onnx(path, model)
    elif kind == ".safetensors":
        write_safetensors(path, graph, weights)
    else:
        engine.load_export().write_state(path, to_tensors(graph, weights))


def _refuse_not_finite(net: pb.NetParameter, weights: Weights) -> None:
    for key in keys_of_layers(net.layer):
        for index, blob in enumerate(weights.get(key, ())):
            wrong = 0 if blob is None else blob.size - int(np.isfinite(blob).sum())
            if wrong:
                raise InputError(
                    f"layer {key!r}: {wrong} of the {blob.size} values of its blob {index} are NaN "
                    "or infinite: the training run that they come from has diverged; export an "
                    "earlier snapshot"
                )


def parameter_difference(
    net: pb.NetParameter, weights: Weights, others: Weights, outputs: Sequence[str] | None = None
) -> tuple[float, str] | None:
    """Measure how far the `Weights` `others`, read back from a file, are from `weights`.

    Returns None where both hold the same bits for every layer that `outputs` need; otherwise (the
    largest difference as a share of its blob's largest value, "layer:index" of that blob). For a
    BatchNorm whose sums differ, the mean and variance that they stand for are compared. Blobs of
    different shapes, and NaN on one side alone, count as infinitely far.
    """
    found = [
        (_relative_difference(one, other), f"{layer.name}:{index}")
        for layer in (node.layer for node in value_graph(net, outputs).nodes)
        for index, (one, other) in enumerate(
            _blobs_that_differ(layer, weights.get(layer.name, ()), others.get(layer.name, ()))
        )
    ]
    return max(found, key=lambda pair: pair[0], default=None)


def _blobs_that_differ(
    layer: pb.LayerParameter, ours: Sequence[Array], theirs: Sequence[Array]
) -> list[tuple[Array, Array]]:
    """Pairs of a layer's blobs, the shorter list padded; none where all bits are the same."""
    if layer.type == "BatchNorm" and has_scale_and_bias(layer):  # without the unused third blob
        ours, theirs = (
            [blob for blob in blobs[:2] + blobs[3:] if blob is not None]
            for blobs in (arranged_blobs(layer, ours), arranged_blobs(layer, theirs))
        )
    if layer.type == "BN":  # of 1 x C x 1 x 1, or 1 x C in old files
        ours, theirs = ([blob.reshape(-1) for blob in blobs] for blobs in (ours, theirs))
    if len(ours) == len(theirs) and all(map(_same_bits, ours, theirs)):
        return []
    if layer.type == "BatchNorm" and len(ours) == len(theirs) == 3:
        ours, theirs = statistics(ours), statistics(theirs)
    return list(itertools.zip_longest(ours, theirs, fillvalue=np.zeros(0, np.float32)))


def _same_bits(one: Array, other: Array) -> bool:
    one, other = (np.ascontiguousarray(array, np.float32) for array in (one, other))
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _relative_difference(one: Array, other: Array) -> float:
    largest = largest_absolute(one, other)
    size = float(np.abs(one[np.isfinite(one)]).max(initial=0))
    return largest / size if size else largest
