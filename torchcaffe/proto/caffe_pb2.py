"""Caffe's message classes and enum values, as in the module that pycaffe generates."""

from __future__ import annotations

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from caffeformat import pb

DESCRIPTOR = pb.NetParameter.DESCRIPTOR.file

globals().update({name: value for name, value in vars(pb).items() if not name.startswith("_")})
# The enums that are in no message: Phase
globals().update(
    {name: EnumTypeWrapper(enum) for name, enum in DESCRIPTOR.enum_types_by_name.items()}
)
