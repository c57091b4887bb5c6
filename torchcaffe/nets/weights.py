"""Parameters of a net's layers: loaded from weights by layer name, filled, and shared."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import torch

from caffeformat import InputError, Weights, read_caffemodel
from caffeformat.messages import LayerKey, layer_keys
from caffeformat.weights import arranged_blobs
from torchcaffe.core import fill, move_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caffeformat import pb
    from torchcaffe.core import Blob
    from torchcaffe.layers import Layer

    from .step import Step

    Params = Mapping[str, Sequence[Blob]]  # layer name -> its parameters
    Fills = Mapping[Blob, tuple[pb.FillerParameter | None, Layer]]


def load_weights(
    steps: Iterable[Step], weights: str | os.PathLike[str] | Weights, net_name: str
) -> set[Blob]:
    """Copy `weights`, a caffemodel or a mapping, into the layers of the same names.

    Where several layers have one name, the first in the weights goes into the first in the net,
    and so on; a warning reports those that the net has no place for.

    Returns the Blobs that were loaded. Warns, in the name of the caller's caller, if there is no
    layer of such a name. Raises `InputError` for another number of blobs or another shape.
    """
    source = "the weights"
    if not isinstance(weights, Weights):
        source = os.fspath(weights)
        weights = read_caffemodel(source)
    layers = [step.layer for step in steps]
    owners = [layer for layer in layers if layer.blobs]
    places = dict(zip(layer_keys(layer.name for layer in owners), owners))
    named = {layer.name: layer for layer in [*layers, *owners]}
    if owners and not any(name in named for name in weights):
        warnings.warn(
            f'{source}: none of its layers ("{next(iter(weights))}", ...) is in the net '
            f'"{net_name}": nothing was loaded; are these the weights of another net?'
            if weights
            else f"{source}: holds no weights: nothing was loaded; is it a net alone?",
            stacklevel=3,
        )
    shared = _shared_places(layers)
    loaded: set[Blob] = set()
    for key, arrays in weights.items():
        layer = places.get(key) or named.get(key)
        if layer is None and isinstance(key, LayerKey) and key.name in named:
            layer = named[key.name]
            warnings.warn(
                f'{source}: more layers are called "{key.name}" than in the net "{net_name}"; as '
                "in Caffe, the last of them counts",
                stacklevel=3,
            )
        if layer is not None:
            loaded.update(_load_layer(layer, arrays, source, shared))
    return loaded


def _shared_places(layers: Iterable[Layer]) -> set[tuple[Layer, int]]:
    """(layer, index) of the parameters that an earlier layer owns: HDF5 files leave them out."""
    named: set[str] = set()
    places = set()
    for layer in layers:
        for index, spec in enumerate(layer.proto.param):
            if spec.name in named:
                places.add((layer, index))
            elif spec.name:
                named.add(spec.name)
    return places


def _load_layer(
    layer: Layer,
    arrays: Sequence[NDArray[np.float32] | None],
    source: str,
    shared: set[tuple[Layer, int]],
) -> list[Blob]:
    arrays = arranged_blobs(layer.proto, arrays)
    while len(arrays) < len(layer.blobs) and (layer, len(arrays)) in shared:
        arrays.append(None)
    if len(arrays) != len(layer.blobs):
        raise layer.error(
            f"has {len(layer.blobs)} parameter blob(s) "
            f"({', '.join(str(blob.shape) for blob in layer.blobs)}), but {source} has "
            f"{len(arrays)} for it ({', '.join(str(a.shape) for a in arrays if a is not None)})"
            "; rename the layer to leave it out."
        )
    loaded = []
    for index, (blob, array) in enumerate(zip(layer.blobs, arrays)):
        if array is None:
            if (layer, index) in shared:
                continue
            raise layer.error(
                f"{source} has no values for its parameter {index}, but for others of it; an HDF5 "
                "file leaves out only what an earlier layer shares: use a complete one."
            )
        if not layer.takes(array.shape, blob.shape):
            raise layer.error(
                f"its parameter {index} has shape {blob.shape}, but in {source} it is "
                f"{tuple(array.shape)}; rename the layer to leave it out, or use the net these "
                "weights were made for."
            )
        loaded.append(blob)
        if blob.has_data:
            move_out(array, blob.data)
        else:
            values = torch.empty(blob.shape)
            move_out(array, values.numpy())
            blob.set_data(values.to(blob.device))
    return loaded


def fill_blobs(fills: Fills, loaded: set[Blob]) -> None:
    """Fill the parameters that were not loaded (filling those as well would take time)."""
    for blob, (filler, layer) in fills.items():
        if blob not in loaded:
            values = torch.empty(blob.shape, device=blob.device)
            fill(values, filler, f'layer "{layer.name}"')
            if blob.has_data:
                blob.fill(values)
            else:
                blob.set_data(values)


def params_by_key(steps: Iterable[Step]) -> dict[str, list[Blob]]:
    """The parameters of each layer that has any, by name; layers of one name by `LayerKey`s."""
    layers = [step.layer for step in steps if step.layer.blobs]
    return dict(zip(layer_keys(layer.name for layer in layers), (layer.blobs for layer in layers)))


def share_params(params: Params, owners: Params) -> None:
    """Let `params` use the data, not the diffs, of the `owners` of the same layer names.

    Raises `InputError` for parameters of different shapes.
    """
    for name, theirs in owners.items():
        if name not in params:
            continue
        mine = params[name]
        if [blob.shape for blob in mine] != [blob.shape for blob in theirs]:
            raise InputError(
                f'layer "{name}": cannot share parameters; here they have the shapes '
                f"{[blob.shape for blob in mine]}, there {[blob.shape for blob in theirs]}."
            )
        for blob, owner in zip(mine, theirs):
            blob.share(owner, diff=False)
