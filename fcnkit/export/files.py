"""A net's parameters in any of the files that this project reads and writes, by their names."""

import itertools
import os

import numpy as np

from caffeformat import InputError, filter_net, pb, read_caffemodel, write_caffemodel
from caffeformat.graph import value_graph
from caffeformat.tensor_names import from_tensors, statistics, to_tensors
from fcnkit import engine, networks
from fcnkit.differences import largest_absolute
from fcnkit.state_dicts import read_state_dict
from fcnkit.surgery import check_fit

from .onnx_net import read_initializers, to_onnx, write_onnx
from .tensor_files import read_safetensors, write_safetensors

KINDS = (".caffemodel", ".h5", ".onnx", ".safetensors", ".pt")


def deployed(net):
    """`net` as it is used: its layers for phase TEST and stage deploy, without data and losses."""
    found = filter_net(net, pb.TEST, stages=("deploy",))
    if networks.data_layers(found) or not any(layer.type == "Input" for layer in found.layer):
        found, _ = networks.deploy_net(net, (224, 224))
    return found


def kind_of(path):
    """The ending of `path` that says what is in it; `InputError` for others."""
    ending = os.path.splitext(os.fspath(path))[1]
    if ending not in KINDS:
        raise InputError(f"{path}: expected a name that ends in {', '.join(KINDS)}")
    return ending


def read_parameters(path, net, outputs=None):
    """`Weights` for the layers of `net` (a deployed NetParameter) from the file at `path`.

    Raises `InputError` for files that cannot be read and for those of other nets.
    """
    kind = kind_of(path)
    if kind in (".caffemodel", ".h5"):
        weights = read_caffemodel(path)
    else:
        weights = _from_tensor_file(path, kind, net, outputs)
    if outputs is None:  # of a part of the net, the rest may be missing
        check_fit(weights, net, path, net.name or "the net")
    return weights


def _from_tensor_file(path, kind, net, outputs):
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
        raise InputError(f"{path}: {error}") from error
    weights.name = net.name
    return weights


def write_parameters(path, net, weights, outputs=None, **onnx_options):
    """Write `weights` of `net` to `path`, as its ending says; an ONNX file holds the net as well.

    `onnx_options` go to `to_onnx`. A caffemodel gets the layers that `net` has.
    """
    kind, graph = kind_of(path), value_graph(net, outputs)
    if kind in (".caffemodel", ".h5"):
        kept = {layer.name: weights[layer.name] for layer in net.layer if layer.name in weights}
        write_caffemodel(path, kept, net)
    elif kind == ".onnx":
        write_onnx(path, to_onnx(net, weights, outputs, **onnx_options))
    elif kind == ".safetensors":
        write_safetensors(path, graph, weights)
    else:
        engine.load_export().write_state(path, to_tensors(graph, weights))


def parameter_difference(net, weights, others, outputs=None):
    """How far the `Weights` `others`, read back from a file, are from `weights`.

    None where both hold the same bits for every layer that `outputs` need; else (the largest
    difference as a part of its blob's largest value, "layer:index" of that blob). Of a BatchNorm
    whose sums differ the mean and variance that they stand for are compared. Blobs of other shapes,
    and NaN on one side alone, are infinitely far.
    """
    found = [
        (_relative_difference(one, other), f"{layer.name}:{index}")
        for layer in (node.layer for node in value_graph(net, outputs).nodes)
        for index, (one, other) in enumerate(
            _blobs_that_differ(layer, weights.get(layer.name, ()), others.get(layer.name, ()))
        )
    ]
    return max(found, key=lambda pair: pair[0], default=None)


def _blobs_that_differ(layer, ours, theirs):
    """Pairs of a layer's blobs, both lists as far as they go; none where all are the same bits."""
    if len(ours) == len(theirs) and all(map(_same_bits, ours, theirs)):
        return []
    if layer.type == "BatchNorm" and len(ours) == len(theirs) == 3:
        ours, theirs = statistics(ours), statistics(theirs)
    return list(itertools.zip_longest(ours, theirs, fillvalue=np.zeros(0, np.float32)))


def _same_bits(one, other):
    one, other = (np.ascontiguousarray(array, np.float32) for array in (one, other))
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _relative_difference(one, other):
    largest = largest_absolute(one, other)
    size = float(np.abs(one[np.isfinite(one)]).max(initial=0))
    return largest / size if size else largest
