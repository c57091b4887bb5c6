"""Shapes, windows and coordinates of blobs, from the net's definition alone.

`infer_shapes` gives the shape of every blob; `coord_map`, `crop_offset` and `receptive_fields`
relate the pixels of one blob to those of another, in exact fractions.
"""

from __future__ import annotations

from .coordinates import (
    CoordMap,
    ReceptiveField,
    coord_map,
    crop_offset,
    layer_map,
    receptive_fields,
)
from .fork_shapes import axis_order
from .shape_rules import LOSSES, RULES, SAME_SHAPE, SOURCES, concat_axis, loss_shapes
from .shapes import infer_shapes
from .windows import (
    Window,
    convolution_windows,
    extent,
    interpolation,
    pooling_windows,
    upsampling_scale,
)

__all__ = [
    "LOSSES",
    "RULES",
    "SAME_SHAPE",
    "SOURCES",
    "CoordMap",
    "ReceptiveField",
    "Window",
    "axis_order",
    "concat_axis",
    "convolution_windows",
    "coord_map",
    "crop_offset",
    "extent",
    "infer_shapes",
    "interpolation",
    "layer_map",
    "loss_shapes",
    "pooling_windows",
    "receptive_fields",
    "upsampling_scale",
]
