"""Caffe's weights files: `.caffemodel` of any age, and `.caffemodel.h5`.

A binary caffemodel is a NetParameter whose layers hold their blobs. The file is mapped, so that
weights are views and cost no memory until they are used. It is written blob by blob.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from caffeformat.errors import FormatError, InputError
from caffeformat.files import atomic_write
from caffeformat.messages import (
    LayerKey,
    keys_of_layers,
    layer_keys,
    pb,
    v0_type_name,
    v1_type_name,
    wire,
)

from .blob import blob_head, decode_blob, write_values
from .hdf5 import is_hdf5, read_weights, write_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


_NET = wire.field_numbers(pb.NetParameter)
_LAYER = wire.field_numbers(pb.LayerParameter)
_V1 = wire.field_numbers(pb.V1LayerParameter)
_V0 = wire.field_numbers(pb.V0LayerParameter)
# Far more than any net has, but few enough that empty ones in a hostile file cannot fill memory.
_MOST_BLOBS = 50_000
# protobuf, and therefore Caffe, cannot read messages of 2 GiB or more.
_MOST_BYTES = (1 << 31) - 1
_FOUR_AXES = ("Convolution", "Deconvolution")


class Weights(dict[str, "list[NDArray[np.float32] | Any]"]):
    """Layer name -> list of its float32 arrays, in the file's order.

    Arrays read from a file are read-only and may be unaligned views; copy one to change it. An item
    of a list is None where an HDF5 file leaves out a blob shared with another layer. (Its type has
    `Any`, so that the many readers of other files need not check for that.)

    Where several layers of a file have one name, the first has it as its key and the others a
    `LayerKey` (`conv#2`): all of them are kept, and written under their name.

    `name` is the net's name. `types` maps the names of all layers, including those without blobs,
    to their type; it is empty for HDF5 files, which do not record types.
    """

    def __init__(
        self,
        blobs: Mapping[str, list[Any]] | Iterable[tuple[str, list[Any]]] = (),
        name: str = "",
        types: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(blobs)
        self.name = name
        self.types = dict(types)


def read_caffemodel(path: str | os.PathLike[str]) -> Weights:
    """Read the weights of a `.caffemodel` or `.caffemodel.h5` file into `Weights`.

    Files of old releases (V0 and V1 layers, 4-axis sizes, unpacked or double values) give the same
    result as a current one. Raises `InputError`; for damaged files, a `FormatError` naming the byte
    and the layer.
    """
    span = wire.map_file(path, "a caffemodel")
    if is_hdf5(path):
        return Weights(read_weights(path))
    try:
        return _decode_net(span)
    except FormatError as error:
        raise _explained(error, span) from None


def write_caffemodel(
    path: str | os.PathLike[str],
    weights: Mapping[str, Sequence[Any]],
    net: pb.NetParameter | None = None,
    hdf5: bool | None = None,
) -> None:
    """Write `weights` (layer name -> list of arrays), as HDF5 if `path` ends in `.h5` or if `hdf5`.

    With `net`, a current NetParameter, each of its layers is written with all its fields, as Caffe
    does; otherwise a layer has its name and, from `weights.types`, its type. Blobs inside `net` are
    ignored. Layers that `net` lacks follow at the end. Values are written as float32. Raises
    `InputError` for layers of one name in HDF5, which has a place for one alone.
    """
    if hdf5 is None:
        hdf5 = os.fspath(path).endswith(".h5")
    checked = _checked(weights, may_lack=hdf5)
    if hdf5:
        again = next((key for key in checked if isinstance(key, LayerKey)), None)
        if again is not None:
            raise InputError(
                f'{os.fspath(path)}: two layers with parameters are called "{again.name}", and an '
                "HDF5 file has a place for one; rename one, or use a name that ends in .caffemodel"
            )
        names = [layer.name for layer in net.layer] if net is not None else []
        write_weights(path, {name: checked.get(name, []) for name in [*names, *checked]})
        return
    layers = _encode_layers(checked, net)
    name = net.name if net is not None else checked.name
    head = wire.encode_bytes(_NET["name"], name.encode()) if name else b""
    total = len(head) + sum(len(start) + size for start, size, _ in layers)
    if total > _MOST_BYTES:
        raise InputError(
            f"{os.fspath(path)}: would have {total} bytes, and Caffe cannot read a caffemodel of 2 "
            "GiB or more; use a name that ends in .caffemodel.h5"
        )
    with atomic_write(path) as file:
        file.write(head)
        for start, _, blobs in layers:
            file.write(start)
            for blob_start, array in blobs:
                file.write(blob_start)
                write_values(file, array)


def _checked(weights: Mapping[str, Sequence[Any]], may_lack: bool) -> Weights:
    """`weights` with its items as NumPy arrays (or None, if they `may_lack`)."""
    arrays: dict[str, list[Any]] = {}
    for name, blobs in weights.items():
        arrays[name] = [None if blob is None else np.asarray(blob) for blob in blobs]
        for index, array in enumerate(arrays[name]):
            if array is None and not may_lack:
                raise InputError(
                    f'layer "{name}", blob {index}: missing, as HDF5 files leave out shared blobs; '
                    "take it from the layer that shares it"
                )
            if array is not None and array.dtype.kind not in "fiub":
                raise InputError(
                    f'layer "{name}", blob {index}: values of type {array.dtype} are not numbers'
                )
    return Weights(arrays, getattr(weights, "name", ""), getattr(weights, "types", ()))


def _encode_layers(
    weights: Weights, net: pb.NetParameter | None
) -> list[tuple[bytes, int, list[tuple[bytes, NDArray[Any]]]]]:
    """[(bytes up to the first blob, size of the blobs, [(bytes, array)])] for each layer."""
    ordered: list[tuple[pb.LayerParameter, str | None]] = []
    left = dict.fromkeys(weights)
    if net is not None:
        # A train-and-test net may have more layers of one name than there are arrays.
        for layer, key in zip(net.layer, keys_of_layers(net.layer)):
            message = type(layer)()
            message.CopyFrom(layer)
            message.ClearField("blobs")
            ordered.append((message, key if key in weights else None))
            left.pop(key, None)
    for key in left:
        message = pb.LayerParameter(name=key.name if isinstance(key, LayerKey) else key)
        if weights.types.get(key):
            message.type = weights.types[key]
        ordered.append((message, key))
    layers: list[tuple[bytes, int, list[tuple[bytes, NDArray[Any]]]]] = []
    for message, place in ordered:
        arrays = [] if place is None else weights[place]
        blobs = [(_blob_start(array), array) for array in arrays]
        size = sum(len(start) + 4 * array.size for start, array in blobs)
        fields = message.SerializePartialToString()
        start = (
            wire.encode_key(_NET["layer"], wire.BYTES)
            + wire.encode_varint(len(fields) + size)
            + fields
        )
        layers.append((start, size, blobs))
    return layers


def _blob_start(array: NDArray[Any]) -> bytes:
    head = blob_head(array)
    return (
        wire.encode_key(_LAYER["blobs"], wire.BYTES)
        + wire.encode_varint(len(head) + 4 * array.size)
        + head
    )


def _decode_net(span: wire.Span) -> Weights:
    layers: list[tuple[str, str, list[NDArray[np.float32]]]] = []
    weights, count = Weights(), 0
    for number, kind, value in span.fields():
        if kind == wire.VARINT and number == _NET["name"]:  # the "iter" of a solver state
            raise span.error(
                0,
                "a solver state, not a caffemodel: to resume from it, pass it as the snapshot; the "
                "weights are in the .caffemodel beside it",
            )
        if kind != wire.BYTES:
            continue
        if number == _NET["name"]:
            weights.name = value.text()
        elif number in (_NET["layer"], _NET["layers"]):
            value.what = f"layer {len(weights.types)}"
            name, type_name, blobs = _decode_layer(
                value, _LAYER if number == _NET["layer"] else _V1
            )
            count += 1 + len(blobs)
            if count > _MOST_BLOBS:
                raise span.error(value.start, f"more than {_MOST_BLOBS} layers and blobs")
            layers.append((name, type_name, blobs))
            span.what = f'what follows layer "{name}"'
    if not layers:
        raise span.error(0, "it has no layers")
    with_blobs = [layer for layer in layers if layer[2]]
    for name, type_name, _ in layers:
        if type_name or name not in weights.types:
            weights.types[name] = type_name
    keys = layer_keys((name for name, _, _ in with_blobs), weights.types)
    for key, (_, type_name, blobs) in zip(keys, with_blobs):
        weights[key] = blobs
        if type_name:
            weights.types[key] = type_name
    return weights


def _decode_layer(
    span: wire.Span, fields: dict[str, int]
) -> tuple[str, str, list[NDArray[np.float32]]]:
    """(name, type, arrays) of a layer message; `fields` are the numbers of its form's fields."""
    name = type_name = ""
    blobs = []
    for number, kind, value in span.fields():
        if number == fields["type"] and fields is _V1:
            type_name = v1_type_name(value) if kind == wire.VARINT else ""
        elif kind != wire.BYTES:
            continue
        elif number == fields["name"]:
            name = value.text()
            span.what = f'layer "{name}"'
        elif number == fields["type"]:
            type_name = v0_type_name(value.text()) if fields is _V0 else value.text()
        elif number == fields["blobs"]:
            blobs.append(value)
            if len(blobs) > _MOST_BLOBS:
                raise span.error(span.start, f"more than {_MOST_BLOBS} blobs")
        elif fields is _V1 and number == _V1["layer"]:
            value.what = span.what
            return _decode_layer(value, _V0)
    return name, type_name, [_decode_layer_blob(b, i, name, type_name) for i, b in enumerate(blobs)]


def _decode_layer_blob(
    span: wire.Span, index: int, layer_name: str, type_name: str
) -> NDArray[np.float32]:
    span.what = f'layer "{layer_name}", blob {index}'
    array, legacy = decode_blob(span)
    if not legacy or (index == 0 and type_name in _FOUR_AXES):
        return array
    # Old files give every blob four axes: N biases 1 x 1 x 1 x N, inner products 1 x 1 x N x K.
    axes = 2 if index == 0 and type_name in ("InnerProduct", "Embed") else 1
    first = next((i for i, dim in enumerate(array.shape) if dim != 1), 4)
    return array.reshape(array.shape[min(first, 4 - axes) :])


def _explained(error: FormatError, span: wire.Span) -> FormatError:
    """`error`, or a clearer one if the file is a text."""
    head = span.part(0, min(len(span), 60), "").raw()
    if head.isascii() and head.decode().replace("\n", " ").isprintable():
        line = head.decode().strip().split("\n")[0]
        if not line:
            return error
        return FormatError(error.source, f'text that begins "{line}", not a caffemodel')
    return error
