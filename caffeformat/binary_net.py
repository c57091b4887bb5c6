"""Nets in protobuf's binary form, without their weights: what a caffemodel says of its layers.

Field numbers mean one thing in BVLC Caffe and another in each fork, so the fork must be known; the
result is a message of the common schema, as a text would give. Weights are passed over in the
mapped file, so that half a gigabyte of them costs nothing.
"""

from google.protobuf.message import DecodeError

from . import pb
from .errors import FormatError
from .fork_tables import FORKS
from .schema import fork_messages
from .wire import BYTES, VARINT, encode_bytes, encode_key, encode_varint, field_numbers, map_file

_NET = field_numbers(pb.NetParameter)
# Field numbers of layers and, inside them, of what is left out; the forks share them.
_LAYERS = {
    _NET["layer"]: {field_numbers(pb.LayerParameter)["blobs"]: None},
    _NET["layers"]: {
        field_numbers(pb.V1LayerParameter)["blobs"]: None,
        field_numbers(pb.V1LayerParameter)["layer"]: {
            field_numbers(pb.V0LayerParameter)["blobs"]: None
        },
    },
}


def read_binary_net(path, fork=None):
    """The NetParameter in the binary file at `path`, not upgraded and without blobs.

    `fork` is one of `FORKS`, or None for BVLC Caffe's files and this project's own. Raises
    `FormatError` for files that are no net of that fork.
    """
    span = map_file(path, "a binary net")
    messages = pb if fork is None else fork_messages(fork)
    read, net = messages.NetParameter(), pb.NetParameter()
    try:
        read.ParseFromString(_without(span, _LAYERS))
        # Releases of protobuf differ in when, and by which ValueError, they refuse a string.
        _translate(read, net)
    except (DecodeError, ValueError):
        whose = "BVLC Caffe; if it is a fork's, say which (--fork)"
        raise FormatError(
            path, f"not a binary net of {whose if fork is None else FORKS[fork]}"
        ) from None
    missing = net.FindInitializationErrors()
    if missing:
        raise FormatError(path, f"required fields are missing: {', '.join(missing)}")
    return net


def _without(span, left_out):
    """The bytes of the message in `span` without the fields of the tree `left_out`."""
    parts = []
    for number, kind, value in span.fields():
        inner = left_out.get(number, {})
        if inner is None:
            continue
        if kind == BYTES:
            content = _without(value, inner) if inner else value.raw()
            parts.append(encode_bytes(number, content))
        else:
            data = encode_varint(value) if kind == VARINT else value.tobytes()
            parts.append(encode_key(number, kind) + data)
    return b"".join(parts)


def _translate(source, target):
    """Copy `source` into `target`, a message of the same name in another schema, by names."""
    for field, value in source.ListFields():
        here = getattr(target, field.name)
        if field.message_type is not None:
            if hasattr(value, "extend"):
                for item in value:
                    _translate(item, here.add())
            else:
                here.SetInParent()
                _translate(value, here)
            continue
        if field.enum_type is not None:
            names = target.DESCRIPTOR.fields_by_name[field.name].enum_type.values_by_name
            by_number = field.enum_type.values_by_number
            items = [names[by_number[v].name].number for v in _items(value)]
            value = items if hasattr(here, "extend") else items[0]
        if hasattr(here, "extend"):
            here.extend(value)
        else:
            setattr(target, field.name, value)


def _items(value):
    return value if hasattr(value, "__iter__") else [value]
