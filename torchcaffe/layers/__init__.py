"""Caffe's layer types, one module a family; importing the package registers them all."""

from . import (
    accuracy,
    activations,
    arithmetic,
    convolution,
    data,
    inner_product,
    inputs,
    lrn,
    normalization,
    pooling,
    shaping,
    softmax,
)
from .base import create, layer_type_list, register

__all__ = [
    "accuracy",
    "activations",
    "arithmetic",
    "convolution",
    "create",
    "data",
    "inner_product",
    "inputs",
    "layer_type_list",
    "lrn",
    "normalization",
    "pooling",
    "register",
    "shaping",
    "softmax",
]
