"""Caffe's layer types, one module a family; importing the package registers them all."""

from . import (
    accuracy,
    activations,
    arithmetic,
    choosing,
    convolution,
    data,
    inner_product,
    inputs,
    losses,
    lrn,
    normalization,
    pooling,
    recurrent,
    shaping,
    softmax,
    spatial_pyramid,
)
from .base import create, layer_type_list, register

__all__ = [
    "accuracy",
    "activations",
    "arithmetic",
    "choosing",
    "convolution",
    "create",
    "data",
    "inner_product",
    "inputs",
    "layer_type_list",
    "losses",
    "lrn",
    "normalization",
    "pooling",
    "recurrent",
    "register",
    "shaping",
    "softmax",
    "spatial_pyramid",
]
