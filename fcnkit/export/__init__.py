"""Networks in the formats of other frameworks, and back: ONNX, safetensors, PyTorch state dicts.

A model folder (`write_model_folder`) holds a model with all that it takes to use and judge it.

Every exported file can be checked against the engine (`differences`), and weights can be read back
from each of them (`read_parameters`).
"""

from __future__ import annotations

from fcnkit.inference import OnnxSegmenter
from fcnkit.runtimes import to_onnx

from .check import SIZES, Difference, differences
from .files import KINDS, deployed, kind_of, parameter_difference, read_parameters, write_parameters
from .model_folder import MODEL, WEIGHTS, ModelCard, write_model_folder
from .onnx_models import read_onnx_model

__all__ = [
    "KINDS",
    "MODEL",
    "SIZES",
    "WEIGHTS",
    "Difference",
    "ModelCard",
    "OnnxSegmenter",
    "deployed",
    "differences",
    "kind_of",
    "parameter_difference",
    "read_onnx_model",
    "read_parameters",
    "to_onnx",
    "write_model_folder",
    "write_parameters",
]
