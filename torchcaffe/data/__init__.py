"""Input data: Caffe's transform of a datum, batches made ahead, and resizing as its tools do.

Works on NumPy arrays; nothing here knows PyTorch.
"""

from __future__ import annotations

from .prefetch import Prefetcher
from .resampling import ORDERS, resize_smooth, zoom
from .resize import resize_pixels
from .transform import DataTransform

__all__ = [
    "ORDERS",
    "DataTransform",
    "Prefetcher",
    "resize_pixels",
    "resize_smooth",
    "zoom",
]
