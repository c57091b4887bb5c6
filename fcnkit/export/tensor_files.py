"""safetensors files of a net's parameters, from which the caffemodel can be restored exactly.

Tensors have the names and shapes of the plain module's state dict, so that
`module.load_state_dict(safetensors.torch.load_file(path))` reads them. BatchNorm's blobs are sums
that cannot be restored from the statistics to the last bit; the file's metadata holds them.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat import FormatError, InputError, atomic_write, reading, reason
from caffeformat.exchange import to_tensors
from caffeformat.messages import has_scale_and_bias
from fcnkit.files import parse_json
from fcnkit.state_dicts import check_safetensors

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Union

    from numpy.typing import NDArray

    from caffeformat import Weights
    from caffeformat.exchange import Graph

    Path = Union[str, os.PathLike[str]]

_SUMS = "caffe_batch_norm_sums"


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            "safetensors files need the package safetensors: pip install 'fcnkit[export]'"
        ) from None
    return safetensors


def write_safetensors(path: Path, graph: Graph, weights: Weights) -> None:
    """Write the parameters in `weights` of the layers of `graph`, a net's value graph."""
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
        if node.layer.type == "BatchNorm" and not has_scale_and_bias(node.layer)
    }
    metadata = {"format": "pt", **({_SUMS: json.dumps(sums)} if sums else {})}
    with atomic_write(path) as file:
        file.write(package.numpy.save(tensors, metadata))


def read_safetensors(
    path: Path,
) -> tuple[dict[str, NDArray[Any]], dict[str, list[NDArray[np.float32]]]]:
    """Read a safetensors file: (name -> array, BatchNorm layer name -> its three blobs).

    Raises `FormatError` where it is damaged or not a safetensors file.
    """
    package, path = _safetensors(), os.fspath(path)
    check_safetensors(path)
    with reading(path, "not a safetensors file that can be read"):
        try:
            with package.safe_open(path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
        except package.SafetensorError as error:
            raise FormatError(
                path, f"not a safetensors file that can be read: {reason(error)}"
            ) from error
    with reading(path, f"its metadata {_SUMS} cannot be read"):
        sums = {
            layer: [np.frombuffer(base64.b64decode(blob), np.float32) for blob in blobs]
            for layer, blobs in parse_json(metadata.get(_SUMS, "{}"), path).items()
        }
    return tensors, {
        layer: blobs for layer, blobs in sums.items() if len(blobs) == 3 and blobs[2].size == 1
    }
