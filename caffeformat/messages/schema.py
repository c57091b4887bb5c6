"""Caffe's messages, built from two tables of facts instead of generated code.

`schema_fields.csv` and `schema_enums.csv` list every message, field number and default of package
`caffe` (proto2). They become classes in a descriptor pool of our own, because package `caffe` in
the default pool would collide with BVLC Caffe's generated module in one process.

The module `pb` holds the common schema, which also has what public forks of Caffe add (see
`fork_tables.py`): texts of all of them parse with it, and every message of the project is of its
classes. `fork_messages` is for binary files alone.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from .fork_tables import bvlc_tables, common_tables, fork_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from .fork_tables import Row

_PACKAGE = "caffe"
_Field = descriptor_pb2.FieldDescriptorProto
# Layers of forks as V1 texts name their types
_V1_FORK_TYPES = (
    "ADAPTIVE_BIAS_CHANNEL",
    "BIAS_CHANNEL",
    "BN",
    "CROP",
    "DENSE_CRF",
    "DENSE_IMAGE_DATA",
    "IMAGE_SEG_DATA",
    "INTERP",
    "MAT_READ",
    "MAT_WRITE",
    "NORMALIZE",
    "PERMUTE",
    "SEG_ACCURACY",
    "UNIQUE_LABEL",
    "UPSAMPLE",
)


def _add_message(
    file_proto: descriptor_pb2.FileDescriptorProto,
    messages: dict[str, descriptor_pb2.DescriptorProto],
    name: str,
) -> descriptor_pb2.DescriptorProto:
    """The DescriptorProto called `name` (dotted, without the package), made where it is missing."""
    if name not in messages:
        outer, _, inner = name.rpartition(".")
        container = _add_message(file_proto, messages, outer).nested_type if outer else None
        messages[name] = (file_proto.message_type if container is None else container).add(
            name=inner
        )
    return messages[name]


def file_descriptor(
    fields: Sequence[Row], enums: Sequence[Row], file_name: str = "caffe.proto"
) -> descriptor_pb2.FileDescriptorProto:
    """A FileDescriptorProto of package `caffe` from rows of the two tables."""
    file_proto = descriptor_pb2.FileDescriptorProto(
        name=file_name, package=_PACKAGE, syntax="proto2"
    )
    messages: dict[str, descriptor_pb2.DescriptorProto] = {}
    prefix = len(_PACKAGE) + 1
    for row in fields:
        _add_message(file_proto, messages, row["message"][prefix:])
    known_enums: dict[str, descriptor_pb2.EnumDescriptorProto] = {}
    for row in enums:
        full = row["enum"][prefix:]
        if full not in known_enums:
            outer, _, inner = full.rpartition(".")
            home = _add_message(file_proto, messages, outer) if outer else file_proto
            known_enums[full] = home.enum_type.add(name=inner)
        known_enums[full].value.add(name=row["value"], number=int(row["number"]))
    for row in fields:
        field = messages[row["message"][prefix:]].field.add(
            name=row["field"],
            number=int(row["number"]),
            label=getattr(_Field, "LABEL_" + row["label"].upper()),
            type=getattr(_Field, "TYPE_" + row["type"].upper()),
        )
        if row["of"]:
            field.type_name = "." + row["of"]
        if row["default"]:
            field.default_value = row["default"]
        if row.get("packed"):
            field.options.packed = True
    return file_proto


class Messages:
    """Message classes and top-level enum values of one schema, as attributes.

    `pb` has those of the common schema; others read and write binary files of a fork, or of BVLC
    Caffe alone.
    """

    def __init__(self, file_proto: descriptor_pb2.FileDescriptorProto) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        self._pool.Add(file_proto)
        self._names = [message.name for message in file_proto.message_type]
        for message in file_proto.message_type:
            descriptor = self._pool.FindMessageTypeByName(f"{_PACKAGE}.{message.name}")
            setattr(self, message.name, self._message_class(descriptor))
        for enum in file_proto.enum_type:
            for value in enum.value:
                setattr(self, value.name, value.number)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def _message_class(self, descriptor: Descriptor) -> type[Message]:
        if hasattr(message_factory, "GetMessageClass"):
            return message_factory.GetMessageClass(descriptor)
        # protobuf 3.12, as Debian 11 has it
        factory = self.__dict__.setdefault("_factory", message_factory.MessageFactory(self._pool))
        return factory.GetPrototype(descriptor)

    @property
    def message_names(self) -> list[str]:
        """Names of all top-level messages, in the schema's order."""
        return list(self._names)

    def members(self) -> dict[str, Any]:
        """The message classes and enum values by name, in the schema's order."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


@functools.cache
def caffe_messages() -> Messages:
    """The schema of BVLC Caffe 1.0 alone (built once)."""
    return Messages(file_descriptor(*bvlc_tables()))


@functools.cache
def fork_messages(fork: str) -> Messages:
    """The schema of one of `FORKS`, with the field numbers of its binary files (built once)."""
    return Messages(file_descriptor(*fork_tables(fork)))


@functools.cache
def common_messages() -> Messages:
    """The schema that has BVLC Caffe's fields and those of every fork (built once)."""
    return Messages(file_descriptor(*common_tables(_V1_FORK_TYPES)))
