"""Caffe's layers in terms of plain torch: one function a layer type, in `BUILDERS`.

A builder gets its `Place` (see module.py) and its inputs, and returns its output or outputs. The
inputs are proxies: what is done to them is written down, and runs when the module runs.
"""

from . import areas, pointwise, shaping, weighted
from .registry import BUILDERS

__all__ = ["BUILDERS", "areas", "pointwise", "shaping", "weighted"]
