#!/usr/bin/env python3
"""Write the type stub of `caffeformat.messages.pb` from the message classes themselves.

    docs/make_pb_stub.py [--check]

`--check` writes nothing and exits with status 1 where the stub is not current.
"""

from __future__ import annotations

import keyword
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated import write_or_check
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffeformat import pb

if TYPE_CHECKING:
    from collections.abc import Iterator

STUB = Path(pb.__file__).with_suffix(".pyi")
_HEAD = '''\
"""Types of Caffe's messages and of those that public forks add.

Written by `docs/make_pb_stub.py`; a test fails when it is not current.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.internal.containers import (
    RepeatedCompositeFieldContainer as _Messages,
)
from google.protobuf.internal.containers import (
    RepeatedScalarFieldContainer as _Scalars,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

_Dict = Mapping[str, Any]
'''
_SCALARS = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_ENUM: "int",
    FieldDescriptor.CPPTYPE_INT32: "int",
    FieldDescriptor.CPPTYPE_INT64: "int",
    FieldDescriptor.CPPTYPE_UINT32: "int",
    FieldDescriptor.CPPTYPE_UINT64: "int",
}


def stub() -> str:
    """The text of the stub."""
    members = {name: value for name, value in vars(pb).items() if not name.startswith("_")}
    messages = [
        value.DESCRIPTOR
        for value in members.values()
        if isinstance(value, type) and issubclass(value, Message)
    ]
    lines = [_HEAD]
    lines += [f"{name}: int" for name, value in members.items() if isinstance(value, int)]
    for message in messages:
        lines += ["", *_class_lines(message)]
    return "\n".join(lines) + "\n"


def _class_lines(message: Any) -> Iterator[str]:
    yield f"class {message.name}(Message):"
    yield "    DESCRIPTOR: Descriptor"
    for enum in message.enum_types:
        yield f"    {enum.name}: ClassVar[EnumTypeWrapper]"
        yield from (f"    {value.name}: ClassVar[int]" for value in enum.values)
    for nested in message.nested_types:
        yield from (f"    {line}".rstrip() for line in ["", *_class_lines(nested), ""])
    # An attribute cannot be called `in`; such a field is reached with getattr alone.
    fields = [field for field in message.fields if not keyword.iskeyword(field.name)]
    for field in fields:
        if _is_repeated(field) or field.message_type is not None:
            yield "    @property"
            yield f"    def {field.name}(self) -> {_attribute_type(field)}: ..."
        else:
            yield f"    {field.name}: {_attribute_type(field)}"
    if fields:
        yield "    def __init__("
        yield "        self,"
        yield "        *,"
        for field in fields:
            yield f"        {field.name}: {_argument_type(field)} | None = None,"
        yield "    ) -> None: ..."
    else:
        yield "    def __init__(self) -> None: ..."


def _is_repeated(field: Any) -> bool:
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    # protobuf before 6.31
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _value_type(field: FieldDescriptor) -> str:
    """The type of one value of a field, as it is read."""
    if field.message_type is not None:
        return str(field.message_type.full_name.partition(".")[2])
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "bytes" if field.type == FieldDescriptor.TYPE_BYTES else "str"
    return _SCALARS[field.cpp_type]


def _attribute_type(field: FieldDescriptor) -> str:
    value = _value_type(field)
    if not _is_repeated(field):
        return value
    return f"_Scalars[{value}]" if field.message_type is None else f"_Messages[{value}]"


def _argument_type(field: FieldDescriptor) -> str:
    """What a message's constructor takes for a field: also a dict for a message, an enum's name."""
    value = _value_type(field)
    if field.message_type is not None:
        value += " | _Dict"
    elif field.enum_type is not None:
        value = "int | str"
    return f"Iterable[{value}]" if _is_repeated(field) else value


if __name__ == "__main__":
    sys.exit(write_or_check(STUB, stub(), "docs/make_pb_stub.py"))
