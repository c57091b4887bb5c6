"""Networks in the formats of other frameworks, and back: ONNX, safetensors, PyTorch state dicts.

Every exported file can be checked against the engine (`differences`), and weights can be read back
from each of them (`read_parameters`).
"""

from __future__ import annotations

from fcnkit.runtimes import to_onnx

from .check import SIZES, Difference, differences
from .files import KINDS, deployed, kind_of, parameter_difference, read_parameters, write_parameters
from .onnx_segmenter import OnnxSegmenter

__all__ = [
    "KINDS",
    "SIZES",
    "Difference",
    "OnnxSegmenter",
    "deployed",
    "differences",
    "kind_of",
    "parameter_difference",
    "read_parameters",
    "to_onnx",
    "write_parameters",
]
