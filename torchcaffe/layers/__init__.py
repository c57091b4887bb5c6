"""Caffe's layer types, one module per family; importing the package registers them all.

In pycaffe, a net_spec takes its layers from `layers`, and so it may from here:
`from torchcaffe import layers as L; L.Convolution(bottom, num_output=8)`.
"""

from __future__ import annotations

from typing import Any

import caffeformat

from . import (  # noqa: F401
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
    image_pairs,
    inner_product,
    inputs,
    interpolation,
    losses,
    lrn,
    memory_data,
    normalization,
    pooling,
    recurrent,
    seg_accuracy,
    shaping,
    softmax,
    spatial_pyramid,
    unpooling,
    window_data,
)
from .arithmetic import Scale as ScaleLayer
from .base import Gradient, Layer, ManualLayer, create, layer_type_list, register
from .memory_data import MemoryData as MemoryDataLayer
from .normalization import BatchNorm as BatchNormLayer
from .normalization import RunningSums, StoredMoments
from .python import Layer as PythonLayer
from .python import allow_python_modules

# The modules are imported for the layer types that they register. A class keeps `Layer` in its
# name here: the types' own names are a net_spec's calls.
__all__ = [
    "BatchNormLayer",
    "Gradient",
    "Layer",
    "ManualLayer",
    "MemoryDataLayer",
    "PythonLayer",
    "RunningSums",
    "ScaleLayer",
    "StoredMoments",
    "allow_python_modules",
    "create",
    "layer_type_list",
    "register",
]


def __getattr__(name: str) -> Any:
    """Return the net_spec call of a layer type, such as `Convolution`."""
    if name[:1].isupper():
        return getattr(caffeformat.layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
