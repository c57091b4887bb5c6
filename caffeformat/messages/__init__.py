"""Caffe's messages: nets and solvers, of BVLC Caffe and its forks, as texts and binary files.

`pb` has the message classes. `read_net` and `read_solver` read files of any age; `filter_net`
selects the layers of a phase; `NetSpec` writes nets in Python; `wire` reads large binary files.
"""

from __future__ import annotations

from . import pb, wire
from .copies import without_layers
from .dialects import computes_crop_offsets
from .elsewhere import layer_elsewhere
from .foreign import unknown_layer
from .forks import (
    FORKS,
    NVIDIA_EPS,
    SEGNET_EPS,
    FieldWarning,
    ForkWarning,
    assuming_fork,
    bn_kind,
    fields_in,
    fork_additions,
    has_scale_and_bias,
    layer_forks,
    refuse_effects,
)
from .layer_names import LayerKey, distinct_layers, keys_of_layers, layer_keys
from .lr_policy import current_step, learning_rate, next_step
from .net import filter_net, insert_splits, is_solver, read_net, read_solver
from .net_spec import (
    LayerCall,
    Layers,
    NetSpec,
    Parameters,
    Top,
    assign_proto,
    layers,
    param_name_dict,
    params,
    to_proto,
)
from .text import format_text, nearest, parse_text, read_text, write_text
from .unread import unread_fields
from .upgrade import upgrade_net, upgrade_solver, v0_type_name, v1_type_name
from .wire import BYTES, VARINT, Span, map_file

__all__ = [
    "BYTES",
    "FORKS",
    "NVIDIA_EPS",
    "SEGNET_EPS",
    "VARINT",
    "FieldWarning",
    "ForkWarning",
    "LayerCall",
    "LayerKey",
    "Layers",
    "NetSpec",
    "Parameters",
    "Span",
    "Top",
    "assign_proto",
    "assuming_fork",
    "bn_kind",
    "computes_crop_offsets",
    "current_step",
    "distinct_layers",
    "fields_in",
    "filter_net",
    "fork_additions",
    "format_text",
    "has_scale_and_bias",
    "insert_splits",
    "is_solver",
    "keys_of_layers",
    "layer_elsewhere",
    "layer_forks",
    "layer_keys",
    "layers",
    "learning_rate",
    "map_file",
    "nearest",
    "next_step",
    "param_name_dict",
    "params",
    "parse_text",
    "pb",
    "read_net",
    "read_solver",
    "read_text",
    "refuse_effects",
    "to_proto",
    "unknown_layer",
    "unread_fields",
    "upgrade_net",
    "upgrade_solver",
    "v0_type_name",
    "v1_type_name",
    "wire",
    "without_layers",
    "write_text",
]
