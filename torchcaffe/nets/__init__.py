"""Nets: `Net` under pycaffe's names, and what it is made of.

`wiring` turns a prototxt's layers into Steps connected by Blobs; `passes` runs Steps forward and
backward, some of them fused; `lean` runs them keeping only what was asked for; `weights` loads and
shares parameters.
"""

from __future__ import annotations

from .net import Net
from .sharing import LearnableParam
from .step import Step

__all__ = [
    "LearnableParam",
    "Net",
    "Step",
]
