"""Nets in protobuf's binary form, without their weights: what a caffemodel says about its layers.

The same field number means different things in BVLC Caffe and in each fork, so the fork must be
known. The result is a message of the common schema, as reading a text gives. Weights are skipped in
the mapped file, so that half a gigabyte of them costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from caffeformat.errors import FormatError

from . import pb
from .fork_tables import FORKS
from .schema import fork_messages
from .wire import BYTES, VARINT, encode_bytes, encode_key, encode_varint, field_numbers, map_file

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from .wire import Span

    # Field number -> what to skip inside it; None for the field itself
    Skipped = Mapping[int, "Skipped | None"]


_NET = field_numbers(pb.NetParameter)
# Field numbers of layers and, inside them, of what is skipped; all forks share these numbers.
_LAYERS: Skipped = {
    _NET["layer"]: {field_numbers(pb.LayerParameter)["blobs"]: None},
    _NET["layers"]: {
        field_numbers(pb.V1LayerParameter)["blobs"]: None,
        field_numbers(pb.V1LayerParameter)["layer"]: {
            field_numbers(pb.V0LayerParameter)["blobs"]: None
        },
    },
}


def read_binary_net(path: str | os.PathLike[str], fork: str | None = None) -> pb.NetParameter:
    """The NetParameter in the binary file at `path`, not upgraded and without blobs.

    `fork` is one of `FORKS`, or None for BVLC Caffe's files and this project's own. Raises
    `FormatError` for files that are not a net of that fork.
    """
    span = map_file(path, "a binary net")
    messages = pb if fork is None else fork_messages(fork)
    read, net = messages.NetParameter(), pb.NetParameter()
    try:
        read.ParseFromString(_without(span, _LAYERS))
        # Releases of protobuf differ in when, and with which ValueError, they reject a string.
        _translate(read, net)
    except (DecodeError, ValueError):
        if fork is not None:
            raise FormatError(path, f"not a binary net of {FORKS[fork]}") from None
        raise FormatError(
            path,
            "not a binary net of BVLC Caffe; if it is a fork's, pass {fork}",
            options={"fork": None},
        ) from None
    missing = net.FindInitializationErrors()  # type: ignore[attr-defined]  # not in the stubs
    if missing:
        raise FormatError(path, f"required fields are missing: {', '.join(missing)}")
    return net


def _without(span: Span, left_out: Skipped) -> bytes:
    """The bytes of the message in `span` without the fields in the tree `left_out`."""
    parts: list[bytes] = []
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


def _translate(source: Message, target: Message) -> None:
    """Copy `source`, field by field name, into `target`, the same message of another schema."""
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
            named: Any = target.DESCRIPTOR.fields_by_name[field.name].enum_type
            by_number = field.enum_type.values_by_number
            items = [named.values_by_name[by_number[v].name].number for v in _items(value)]
            value = items if hasattr(here, "extend") else items[0]
        if hasattr(here, "extend"):
            here.extend(value)
        else:
            setattr(target, field.name, value)


def _items(value: Any) -> Any:
    return value if hasattr(value, "__iter__") else [value]
