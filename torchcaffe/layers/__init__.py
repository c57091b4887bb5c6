"""Caffe's layer types, one module per family; importing the package registers them all.

In pycaffe, a net_spec takes its layers from `layers`, and so it may from here:
`from torchcaffe import layers as L; L.Convolution(bottom, num_output=8)`.
"""

from __future__ import annotations

from typing import Any

import caffeformat

from . import (
    accuracy,
    activations,
    arithmetic,
    choosing,
    convolution,
    data,
    fork_batch_norm,
    fork_detection,
    hdf5,
    image_data,
    inner_product,
    inputs,
    interpolation,
    losses,
    lrn,
    memory_data,
    normalization,
    pooling,
    recurrent,
    shaping,
    softmax,
    spatial_pyramid,
    unpooling,
    window_data,
)
from .arithmetic import Scale
from .base import Layer, ManualLayer, create, layer_type_list, register
from .memory_data import MemoryData
from .normalization import BatchNorm
from .python import Layer as PythonLayer
from .python import allow_python_modules

__all__ = [
    "BatchNorm",
    "Layer",
    "ManualLayer",
    "MemoryData",
    "PythonLayer",
    "Scale",
    "accuracy",
    "activations",
    "allow_python_modules",
    "arithmetic",
    "choosing",
    "convolution",
    "create",
    "data",
    "fork_batch_norm",
    "fork_detection",
    "hdf5",
    "image_data",
    "inner_product",
    "inputs",
    "interpolation",
    "layer_type_list",
    "losses",
    "lrn",
    "memory_data",
    "normalization",
    "pooling",
    "recurrent",
    "register",
    "shaping",
    "softmax",
    "spatial_pyramid",
    "unpooling",
    "window_data",
]


def __getattr__(name: str) -> Any:
    if name[:1].isupper():
        return getattr(caffeformat.layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
