"""Resamples images and labels of any depth: to another size, or through an affine map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from .reading import Resampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_AFFINE: Any = getattr(Image, "Transform", Image).AFFINE  # `Image.AFFINE` before Pillow 9.1


def resize_image(
    image: NDArray[Any],
    size: tuple[int, int],
    smooth: bool = True,
    box: tuple[float, float, float, float] | None = None,
    cubic: bool = False,
) -> NDArray[Any]:
    """Resample H x W (x C) of any depth to `size` (height, width).

    With `smooth` bilinear, or bicubic if `cubic`, over as many pixels as a smaller picture needs;
    otherwise the nearest pixel counts. `box` is the part to sample: left, top, right, bottom. uint8
    stays uint8, others become float32.
    """
    method, shape = _method(smooth, cubic), size[::-1]
    return _by_plane(image, size, lambda part: part.resize(shape, method, box=box))


def transform_image(
    image: NDArray[Any],
    size: tuple[int, int],
    matrix: Sequence[float],
    smooth: bool = True,
    cubic: bool = False,
) -> NDArray[Any]:
    """Resample H x W (x C) of any depth through an affine map, to `size` (height, width).

    `matrix` is (a, b, c, d, e, f): the point (x, y) of the result shows (ax + by + c, dx + ey + f)
    of the image, where pixel 0 reaches from 0 to 1. What lies outside the image becomes 0. A map
    that shrinks skips pixels. `smooth`, `cubic` and the result's type are as in `resize_image`.
    """
    method, shape, data = _method(smooth, cubic), size[::-1], tuple(matrix)
    return _by_plane(image, size, lambda part: part.transform(shape, _AFFINE, data, method))


def _method(smooth: bool, cubic: bool) -> Any:
    if not smooth:
        return Resampling.NEAREST
    return Resampling.BICUBIC if cubic else Resampling.BILINEAR


def _by_plane(
    image: NDArray[Any], size: tuple[int, int], sample: Callable[[Image.Image], Image.Image]
) -> NDArray[Any]:
    """`sample` of an image, or of each of its channels where Pillow has no mode for all of them."""
    # Pillow weighs RGBA by its last channel, and knows no other numbers of channels.
    if image.dtype == np.uint8 and (image.ndim == 2 or image.shape[2] == 3):
        return np.asarray(sample(Image.fromarray(np.ascontiguousarray(image))))
    kind: type[np.generic] = np.uint8 if image.dtype == np.uint8 else np.float32
    if image.ndim == 2:
        return np.asarray(sample(Image.fromarray(np.ascontiguousarray(image, kind))))
    sampled = np.empty((*size, image.shape[2]), kind)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel], kind))
        sampled[..., channel] = np.asarray(sample(plane))
    return sampled
