"""Runtimes for inference beside the engine, and the ONNX models that they run.

`to_onnx` turns a net with weights into a model; `plan` opens such a net in ONNX Runtime or
OpenVINO, and `OnnxSession` a model file. Importing this room loads none of them.
"""

from __future__ import annotations

from .agreement import VARIABLE, Agreements, key_of
from .choice import RUNTIMES, choose, is_installed
from .onnx_net import read_initializers, takes_shapes, to_onnx, write_onnx
from .onnx_session import OnnxSession
from .passes import Pass, plan

__all__ = [
    "RUNTIMES",
    "VARIABLE",
    "Agreements",
    "OnnxSession",
    "Pass",
    "choose",
    "is_installed",
    "key_of",
    "plan",
    "read_initializers",
    "takes_shapes",
    "to_onnx",
    "write_onnx",
]
