"""Nets: wiring, passes, weights and fused execution."""

from .net import Net
from .sharing import LearnableParam
from .step import Step

__all__ = [
    "LearnableParam",
    "Net",
    "Step",
]
