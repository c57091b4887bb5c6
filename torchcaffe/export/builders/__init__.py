"""Caffe's layers in terms of plain torch: one function per layer type, in `BUILDERS`.

A builder takes its `Place` and its inputs, and returns its output or outputs. The inputs are
proxies: operations on them are recorded, and run when the module runs.
"""

from __future__ import annotations

from . import areas, pointwise, shaping, weighted
from .registry import BUILDERS, Place

__all__ = ["BUILDERS", "Place", "areas", "pointwise", "shaping", "weighted"]
