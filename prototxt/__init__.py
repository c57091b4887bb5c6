"""The network zoo: networks as declarations in Python, and the prototxts made from them.

`spec(network)` offers `deploy(...)` and `files(...)`, whose arguments (classes, channels, ...)
default to the published network's values; those are what the files in the network's folder hold.
"""

from __future__ import annotations

from .registry import Spec, networks, path, spec

__all__ = ["Spec", "networks", "path", "spec"]
