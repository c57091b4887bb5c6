"""Rewrites the graphs of ONNX models so that they compute the same numbers in less time.

`RewritingWriter` does it to every model that it has written: classes are enlarged one by one
(upsampling.py), and of constant frames around images only a strip is computed (narrowing.py).
Both go by the geometry and the weights of the nodes.
"""

from __future__ import annotations

from .writer import RewritingWriter

__all__ = ["RewritingWriter"]
