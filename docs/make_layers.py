#!/usr/bin/env python3
"""Write docs/layers.md: every layer type and every field of its parameters, with their state.

    docs/make_layers.py [--check]

A field has an effect unless `REFUSED` or `WITHOUT_EFFECT` gives the reason why not. That this is so
is not taken from the code: `tests/torchcaffe/test_field_effects.py` has for each of the other
fields a net or a training in which it shows. `--check` ends with 1 where docs/layers.md is not what
this program would write.
"""

import csv
import sys
from pathlib import Path

import caffeformat
from caffeformat import pb
from caffeformat.messages import layer_forks, param_name_dict
from torchcaffe.layers import layer_type_list

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
_CHOICE = "none: chooses among Caffe's implementations, which compute the same"
_IM2COL = "none, as in Caffe: Im2col has no parameters"
_TRANSFORMED = "none here, as in Caffe, but in V1's form: transform_param has it"

# (message, field) -> why a file that sets it is refused
REFUSED = {
    ("RecurrentParameter", "debug_info"): "the net inside a recurrent layer does not exist here",
    ("SolverParameter", "snapshot_diff"): "snapshots hold no gradients",
    ("LayerParameter", "blobs"): "weights are read from caffemodels",
}
# (message, field) -> its state, where it cannot show in any number
WITHOUT_EFFECT = {
    ("BNParameter", "engine"): _CHOICE,
    ("ConvolutionParameter", "force_nd_im2col"): _CHOICE,
    ("DataParameter", "force_encoded_color"): "none, as in Caffe: transform_param has force_color",
    ("DataParameter", "prefetch"): "how many batches are made ahead; they are the same",
    ("EltwiseParameter", "stable_prod_grad"): "none: the gradient is exact either way",
    ("PythonParameter", "share_in_parallel"): "none, as in Caffe of 2018",
    ("SolverParameter", "device_id"): "of `torchcaffe train` alone, as in Caffe",
    ("SolverParameter", "layer_wise_reduce"): "none: when gradients meet does not change them",
    ("SolverParameter", "solver_mode"): "of `torchcaffe train` alone, as in Caffe",
    ("WindowDataParameter", "cache_images"): "images are kept in memory; they are the same",
    **{
        (message, field): _TRANSFORMED
        for message in ("DataParameter", "ImageDataParameter", "WindowDataParameter")
        for field in ("scale", "mean_file", "crop_size", "mirror")
        if (message, field) != ("WindowDataParameter", "scale")
    },
}
_IM2COL_UNUSED = ("num_output", "bias_term", "group", "weight_filler", "bias_filler")


def state(layer_type, message, field):
    """A field's state in words; "yes" where it has an effect."""
    if layer_type == "Im2col" and field in _IM2COL_UNUSED:
        return _IM2COL
    if (message, field) in REFUSED:
        return f"refused: {REFUSED[message, field]}"
    if field == "engine":
        return _CHOICE
    return WITHOUT_EFFECT.get((message, field), "yes")


def _fields():
    """Message -> [(field, default)] of BVLC Caffe's schema; those of forks' layers besides."""
    found = {}
    with open(_SCHEMA, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            message = row["message"].partition(".")[2]
            found.setdefault(message, []).append((row["field"], row["default"]))
    own = param_name_dict()
    for layer_type in layer_type_list():
        if layer_forks(layer_type):
            descriptor = _own_message(own[layer_type])
            found[descriptor.name] = [(field.name, _default(field)) for field in descriptor.fields]
    return found


def _own_message(name):
    return pb.LayerParameter.DESCRIPTOR.fields_by_name[f"{name}_param"].message_type


def _default(field):
    """A field's default as the schema's table has it; empty where it states none."""
    if not field.has_default_value:
        return ""
    if field.enum_type is not None:
        return field.enum_type.values_by_number[field.default_value].name
    return (
        str(field.default_value).lower()
        if field.type == field.TYPE_BOOL
        else f"{field.default_value:g}"
    )


def table():
    """[(layer type, message or "", [(field, default, state)])] of all layer types."""
    fields, own, found = _fields(), param_name_dict(), []
    for layer_type in layer_type_list():
        message = _own_message(own[layer_type]).name if layer_type in own else ""
        found.append((layer_type, message, _states(layer_type, message, fields.get(message, ()))))
    return found


def shared_table():
    """[(message, [(field, default, state)])] of the messages that are not a layer type's own.

    What a layer's parameters are called in LayerParameter is left out: `table` has what is in them.
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


def _states(layer_type, message, fields):
    return [(field, default, state(layer_type, message, field)) for field, default in fields]


def page():
    """The text of docs/layers.md."""
    found = table()
    forks = [name for name, _, _ in found if layer_forks(name)]
    lines = [
        "# Layers and their fields",
        "",
        "Written by `docs/make_layers.py`; a test fails when it is not current.",
        "",
        f"{len(found) - len(forks)} of Caffe's layer types, and of its forks: {', '.join(forks)}.",
        "Where it says *yes*, a test sets the field to another value and sees another result "
        "(`tests/torchcaffe/test_field_effects.py`).",
        "What forks add to BVLC Caffe's messages is not listed; a warning names it where a file "
        "sets it.",
        "",
        "Layers without settings of their own: "
        + ", ".join(name for name, _, fields in found if not fields)
        + ".",
        "",
        *_rows("layer", [(name, fields) for name, _, fields in found]),
        "",
        "## Nets, solvers and what all layers have",
        "",
        *_rows("message", shared_table()),
    ]
    return "\n".join(lines) + "\n"


def _rows(heading, groups):
    yield f"| {heading} | field | default | effect |"
    yield "| --- | --- | --- | --- |"
    for name, fields in groups:
        for field, default, told in fields:
            yield f"| {name} | `{field}` | {default} | {told} |"


def main(arguments):
    """Write the page, or check it; returns the exit status."""
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print("docs/layers.md is not current: run docs/make_layers.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
