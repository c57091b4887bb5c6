#!/usr/bin/env python3
"""Write docs/layers.md: every layer type and every field of its parameters, with their state.

    docs/make_layers.py [--check]

A field has an effect unless `REFUSED` or `WITHOUT_EFFECT` gives the reason why not. This is not
taken from the code: for each of the other fields, `tests/torchcaffe/test_field_effects.py` has a
net or a training run in which it shows. `--check` exits with status 1 if docs/layers.md is not what
this program would write.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from generated import write_or_check

import caffeformat
from caffeformat import pb
from caffeformat.messages import fields_in, layer_forks, param_name_dict
from torchcaffe.layers import layer_type_list

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    State = tuple[str, str, str]  # field, default, effect

PAGE = Path(__file__).with_name("layers.md")
_SCHEMA = Path(caffeformat.__file__).parent / "messages" / "schema_fields.csv"
# What layers, nets and solvers have in common
SHARED = (
    "NetParameter",
    "LayerParameter",
    "ParamSpec",
    "NetState",
    "NetStateRule",
    "BlobShape",
    "FillerParameter",
    "TransformationParameter",
    "LossParameter",
    "SolverParameter",
)
_CHOICE = "none: selects one of Caffe's implementations, which all compute the same"
_IM2COL = "none, as in Caffe: Im2col has no parameters"
_TRANSFORMED = "none here, as in Caffe, except in V1 layers: set it in transform_param"
_ALL_MEASURES = "none, as in the forks: the top holds all three measures"

# (message, field) -> why a file that sets it is refused
REFUSED = {
    ("RecurrentParameter", "debug_info"): "recurrent layers contain no net here",
    ("SolverParameter", "snapshot_diff"): "snapshots do not contain gradients",
    ("LayerParameter", "blobs"): "weights are read from caffemodels",
}
# (message, field) -> its state, for fields that cannot change any number
WITHOUT_EFFECT = {
    ("BNParameter", "engine"): _CHOICE,
    ("ConvolutionParameter", "force_nd_im2col"): _CHOICE,
    ("DataParameter", "force_encoded_color"): "none, as in Caffe: transform_param has force_color",
    ("DenseImageDataParameter", "mean_file"): "none, as in the fork: set it in transform_param",
    ("DataParameter", "prefetch"): "number of batches to prefetch; they are the same",
    ("EltwiseParameter", "stable_prod_grad"): "none: the gradient is exact either way",
    ("PythonParameter", "share_in_parallel"): "none, as in Caffe of 2018",
    ("SegAccuracyParameter", "metric"): _ALL_MEASURES,
    ("SolverParameter", "device_id"): "in `torchcaffe train` only, as in Caffe",
    ("SolverParameter", "layer_wise_reduce"): "none: it does not matter when gradients are added",
    ("SolverParameter", "solver_mode"): "in `torchcaffe train` only, as in Caffe",
    ("WindowDataParameter", "cache_images"): "keeps images in memory; they are the same",
    **{
        (message, field): _TRANSFORMED
        for message in ("DataParameter", "ImageDataParameter", "WindowDataParameter")
        for field in ("scale", "mean_file", "crop_size", "mirror")
        if (message, field) != ("WindowDataParameter", "scale")
    },
}
_IM2COL_UNUSED = ("num_output", "bias_term", "group", "weight_filler", "bias_filler")


def state(layer_type: str, message: str, field: str) -> str:
    """Describe a field's state; "yes" if it has an effect."""
    if layer_type == "Im2col" and field in _IM2COL_UNUSED:
        return _IM2COL
    if (message, field) in REFUSED:
        return f"refused: {REFUSED[message, field]}"
    if field == "engine":
        return _CHOICE
    return WITHOUT_EFFECT.get((message, field), "yes")


def _fields() -> dict[str, list[tuple[str, str]]]:
    """Collect message -> [(field, default)] of BVLC Caffe's schema and of the forks' layers."""
    found: dict[str, list[tuple[str, str]]] = {}
    with open(_SCHEMA, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            message = row["message"].partition(".")[2]
            found.setdefault(message, []).append((row["field"], row["default"]))
    own = param_name_dict()
    for layer_type in layer_type_list():
        descriptor = _own_message(own[layer_type]) if layer_forks(layer_type) else None
        if descriptor is not None and descriptor.name not in found:
            found[descriptor.name] = [(field.name, _default(field)) for field in descriptor.fields]
    return found


def _own_message(name: str) -> Descriptor:
    """Find the message of a layer type's own parameters."""
    field = pb.LayerParameter.DESCRIPTOR.fields_by_name[f"{name}_param"]
    assert field.message_type is not None, f"{name}_param is not a message"
    return field.message_type


def _default(field: FieldDescriptor) -> str:
    """Format a field's default as in the schema's table; empty if it has none."""
    if not field.has_default_value:
        return ""
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return (
        str(field.default_value).lower()
        if field.type == field.TYPE_BOOL
        else f"{field.default_value:g}"
    )


def table() -> list[tuple[str, str, list[State]]]:
    """Collect (layer type, message or "", states of its fields) of all layer types."""
    fields, own, found = _fields(), param_name_dict(), []
    for layer_type in layer_type_list():
        message = _own_message(own[layer_type]).name if layer_type in own else ""
        listed = list(fields.get(message, ()))
        for name in fields_in(layer_type, message):
            field = getattr(pb, message).DESCRIPTOR.fields_by_name[name]
            listed.append((name, _default(field)))
        found.append((layer_type, message, _states(layer_type, message, listed)))
    return found


def shared_table() -> list[tuple[str, list[State]]]:
    """Collect (message, states of its fields) of the messages that are not a layer type's own.

    The fields of LayerParameter that hold a layer type's parameters are left out: they are in
    `table`.
    """
    fields = _fields()
    return [
        (
            message,
            _states(
                "",
                message,
                [
                    (field, default)
                    for field, default in fields[message]
                    if message != "LayerParameter" or not field.endswith("_param")
                ],
            ),
        )
        for message in SHARED
    ]


def _states(layer_type: str, message: str, fields: Sequence[tuple[str, str]]) -> list[State]:
    return [(field, default, state(layer_type, message, field)) for field, default in fields]


def page() -> str:
    """Write the text of docs/layers.md."""
    found = table()
    forks = [name for name, _, _ in found if layer_forks(name)]
    lines = [
        "# Layers and their fields",
        "",
        "This page is generated by `docs/make_layers.py`; a test fails when it is out of date.",
        "",
        f"There are {len(found) - len(forks)} of Caffe's layer types, and these of its forks: "
        f"{', '.join(forks)}.",
        "Where the effect is *yes*, a test sets the field to another value and gets another result "
        "(`tests/torchcaffe/test_field_effects.py`).",
        "Fields that forks add to BVLC Caffe's messages are not listed ([forks.md](forks.md)).",
        "Where a file sets a field whose effect its author would miss, a warning names the field: "
        "those that say *set it in transform_param*, parameters of another type of layer, and "
        "fields that another field overrides.",
        "",
        "Layers without settings of their own: "
        + ", ".join(name for name, _, fields in found if not fields)
        + ".",
        "",
        *_rows("layer", [(name, fields) for name, _, fields in found]),
        "",
        "## Nets, solvers and settings of all layers",
        "",
        *_rows("message", shared_table()),
    ]
    return "\n".join(lines) + "\n"


def _rows(heading: str, groups: Sequence[tuple[str, list[State]]]) -> Iterator[str]:
    yield f"| {heading} | field | default | effect |"
    yield "| --- | --- | --- | --- |"
    for name, fields in groups:
        for field, default, effect in fields:
            yield f"| {name} | `{field}` | {default} | {effect} |"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), "docs/make_layers.py"))
