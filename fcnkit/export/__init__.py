"""Nets and weights in the forms of other frameworks, and back: ONNX, safetensors, state dicts."""

from .check import SIZES, differences
from .files import KINDS, deployed, kind_of, parameter_difference, read_parameters, write_parameters
from .onnx_segmenter import OnnxSegmenter

__all__ = [
    "KINDS",
    "SIZES",
    "OnnxSegmenter",
    "deployed",
    "differences",
    "kind_of",
    "parameter_difference",
    "read_parameters",
    "write_parameters",
]
