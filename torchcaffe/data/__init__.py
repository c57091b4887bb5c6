"""Reading and transforming input data: transforms, prefetching, resizing."""

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
