#!/usr/bin/env python3
"""Write docs/layers.md: every layer type and every field of its parameters, with their state.

    docs/make_layers.py [--check]

A field counts as read where the code of its layer names it: the classes that a layer is made of,
the rule for its shape, the reading of windows. What is not read must stand in `WITHOUT_EFFECT`
with the reason, so that no field is forgotten; `--check` ends with 1 where docs/layers.md is not
what this program would write.
"""

import ast
import csv
import inspect
import sys
import textwrap
from pathlib import Path

import caffeformat
from caffeformat import shape_rules, windows
from caffeformat.forks import layer_forks
from caffeformat.net_spec import param_name_dict
from torchcaffe.layers.base import _TYPES

PAGE = Path(__file__).with_name("layers.md")
_SCHEMA = Path(caffeformat.__file__).with_name("schema_fields.csv")
_UPGRADED = "moved into transform_param when the file is read"
_CHOICE = "none: chooses among Caffe's implementations, which compute the same"
_IM2COL = "none, as in Caffe: Im2col has no parameters"

# (message, field) -> its state, where a layer's own code does not read the field
WITHOUT_EFFECT = {
    ("ConvolutionParameter", "force_nd_im2col"): _CHOICE,
    ("DataParameter", "force_encoded_color"): "none, as in Caffe: transform_param has force_color",
    ("EltwiseParameter", "stable_prod_grad"): "none: the gradient is exact either way",
    ("PythonParameter", "share_in_parallel"): "none: a solver works alone",
    **{
        (message, field): _UPGRADED
        for message in ("DataParameter", "ImageDataParameter", "WindowDataParameter")
        for field in ("scale", "mean_file", "crop_size", "mirror")
    },
}
_IM2COL_UNUSED = ("num_output", "bias_term", "group", "weight_filler", "bias_filler")
_WINDOWED = ("Convolution", "Deconvolution", "Im2col", "Pooling")
_WINDOW_FIELDS = {f"{name}_{axis}" for name in ("pad", "kernel", "stride") for axis in "hw"}
# The older names of a field, which the rules of shapes read in the types' stead
_OLD_NAMES = {("Concat", "concat_dim"), ("Slice", "slice_dim")}


def named_in(thing):
    """The attributes, keywords and words of strings in the source of a class or function."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(thing)))):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(node.value.replace(",", " ").split())
    return found


def read_fields(layer_type, cls):
    """Names that the code of a layer type uses."""
    found = set()
    for base in cls.__mro__:
        if base.__module__.startswith("torchcaffe"):
            found |= named_in(base)
    for rules in (shape_rules.RULES, shape_rules.SOURCES):
        if layer_type in rules and inspect.isfunction(rules[layer_type]):
            found |= named_in(rules[layer_type])
    if layer_type in _WINDOWED:
        found |= named_in(windows) | _WINDOW_FIELDS
    return found | {field for name, field in _OLD_NAMES if name == layer_type}


def state(layer_type, message, field, read):
    """A field's state in words; "" where it is forgotten."""
    if layer_type == "Im2col" and field in _IM2COL_UNUSED:
        return _IM2COL
    if field == "engine":
        return _CHOICE
    if (message, field) in WITHOUT_EFFECT:
        return WITHOUT_EFFECT[message, field]
    return "read" if field in read else ""


def table():
    """[(layer type, message or "", [(field, default, state)])] of all layer types."""
    with open(_SCHEMA, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    messages, fields = {}, {}
    for row in rows:
        if row["message"] == "caffe.LayerParameter" and row["type"] == "message":
            messages[row["field"]] = row["of"]
        fields.setdefault(row["message"], []).append((row["field"], row["default"]))
    own = param_name_dict()
    found = []
    for layer_type, cls in sorted(_TYPES.items()):
        message = messages.get(f"{own[layer_type]}_param", "") if layer_type in own else ""
        read, short = read_fields(layer_type, cls), message.rpartition(".")[2]
        found.append(
            (
                layer_type,
                short,
                [
                    (field, default, state(layer_type, short, field, read))
                    for field, default in fields.get(message, ())
                ],
            )
        )
    return found


def forgotten():
    """`Type.field` of every field that has neither an effect nor a reason to have none."""
    return [
        f"{layer_type}.{field}"
        for layer_type, _, fields in table()
        for field, _, told in fields
        if not told
    ]


def page():
    """The text of docs/layers.md."""
    found = table()
    forks = [name for name, message, _ in found if not message and layer_forks(name)]
    lines = [
        "# Layers and their fields",
        "",
        "Written by `docs/make_layers.py`; a test fails when it is not current.",
        "",
        f"{len(found) - len(forks)} of Caffe's layer types, and of its forks: {', '.join(forks)}.",
        "A field that is *read* has its effect, or is refused by an error that names the layer.",
        "What forks add to these messages is not listed; a warning names it where a file sets it.",
        "",
        "Layers without settings of their own: "
        + ", ".join(name for name, _, fields in found if not fields and name not in forks)
        + ".",
        "",
        "| layer | field | default | effect |",
        "| --- | --- | --- | --- |",
    ]
    for layer_type, _, fields in found:
        for field, default, told in fields:
            lines.append(f"| {layer_type} | `{field}` | {default} | {told or '**forgotten**'} |")
    return "\n".join(lines) + "\n"


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
