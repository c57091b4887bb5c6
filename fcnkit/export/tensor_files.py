"""safetensors files of a net's parameters, from which the caffemodel comes back bit for bit.

Tensors have the names and shapes of the plain module's state dict, so that
`module.load_state_dict(safetensors.torch.load_file(path))` reads them. BatchNorm's blobs are sums
that their statistics cannot give back to the last bit; the file's metadata holds them.
"""

import base64
import json
import os

import numpy as np

from caffeformat import FormatError, InputError
from caffeformat.files import atomic_write
from caffeformat.tensor_names import to_tensors

_SUMS = "caffe_batch_norm_sums"


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            "safetensors files need the package safetensors: pip install 'fcnkit[export]'"
        ) from None
    return safetensors


def write_safetensors(path, graph, weights):
    """Write the parameters of `graph`'s layers (`caffeformat.graph.Graph`) in `weights`."""
    package = _safetensors()
    tensors = {
        name: np.ascontiguousarray(array) for name, array in to_tensors(graph, weights).items()
    }
    sums = {
        node.layer.name: [
            base64.b64encode(np.ascontiguousarray(blob).tobytes()).decode()
            for blob in weights[node.layer.name]
        ]
        for node in graph.nodes
        if node.layer.type == "BatchNorm"
    }
    metadata = {"format": "pt", **({_SUMS: json.dumps(sums)} if sums else {})}
    with atomic_write(path) as file:
        file.write(package.numpy.save(tensors, metadata))


def read_safetensors(path):
    """(name -> array, BatchNorm layer name -> its three blobs) of a safetensors file.

    Raises `FormatError` where it is damaged or no such file.
    """
    package, path = _safetensors(), os.fspath(path)
    try:
        with package.safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except (package.SafetensorError, TypeError, ValueError) as error:
        raise FormatError(path, f"not a safetensors file that can be read: {error}") from error
    try:
        sums = {
            layer: [np.frombuffer(base64.b64decode(blob), np.float32) for blob in blobs]
            for layer, blobs in json.loads(metadata.get(_SUMS, "{}")).items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise FormatError(path, f"its metadata {_SUMS} cannot be read: {error}") from error
    return tensors, {
        layer: blobs for layer, blobs in sums.items() if len(blobs) == 3 and blobs[2].size == 1
    }
