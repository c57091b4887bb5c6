"""Caffe's layers in ONNX's operators: one function a layer type, in `CONVERTERS`.

A converter gets the `Writer`, its `Layer` (see onnx_net.py) and the names of its inputs, and
returns the name of its output, or a list of them. No size of an image is written down: what depends
on one is computed when the graph runs.
"""

from . import areas, pointwise, shaping, weighted
from .registry import CONVERTERS

__all__ = ["CONVERTERS", "areas", "pointwise", "shaping", "weighted"]
