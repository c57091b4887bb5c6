"""Converts Caffe's layers to ONNX operators: `CONVERTERS` has one function per layer type.

A converter gets the `Writer`, its `Layer` (see onnx_net.py) and the names of its inputs, and
returns the name of its output, or a list of names. Image sizes are never written into the graph:
whatever depends on them is computed when the graph runs.
"""

from __future__ import annotations

from . import areas, pointwise, shaping, weighted
from .registry import CONVERTERS

__all__ = ["CONVERTERS", "areas", "pointwise", "shaping", "weighted"]
