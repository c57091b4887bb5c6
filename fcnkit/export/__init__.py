"""Networks in the formats of other frameworks, and back: ONNX, safetensors, PyTorch state dicts.

A model folder (`write_model_folder`) holds a model with all that it takes to use and judge it.

`to_int8` and `to_half` make models of lower precision, which `sign_off` holds against the original.
Every exported file can be checked against the engine (`differences`), and weights can be read back
from each of them (`read_parameters`).
"""

from __future__ import annotations

from fcnkit.inference import OnnxSegmenter
from fcnkit.runtimes import to_onnx

from .calibration import NoiseImages, open_images, spread
from .check import SIZES, Difference, differences
from .files import KINDS, deployed, kind_of, parameter_difference, read_parameters, write_parameters
from .lower_precision import PRECISIONS, to_half, to_int8
from .model_folder import MODEL, WEIGHTS, ModelCard, write_model_folder
from .onnx_models import read_onnx_model
from .sign_off import Figures, SignOff, sign_off

__all__ = [
    "KINDS",
    "MODEL",
    "PRECISIONS",
    "SIZES",
    "WEIGHTS",
    "Difference",
    "Figures",
    "ModelCard",
    "NoiseImages",
    "OnnxSegmenter",
    "SignOff",
    "deployed",
    "differences",
    "kind_of",
    "open_images",
    "parameter_difference",
    "read_onnx_model",
    "read_parameters",
    "sign_off",
    "spread",
    "to_half",
    "to_int8",
    "to_onnx",
    "write_model_folder",
    "write_parameters",
]
