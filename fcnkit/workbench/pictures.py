"""Images, masks and overlays as the files that browsers show."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fcnkit.images import Resampling, overlay, paint, paletted_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("image", "mask", "cover", "overlay", "indices")


def picture(
    kind: str,
    image: NDArray[np.uint8] | None,
    mask: NDArray[np.uint8] | None,
    palette: NDArray[np.uint8],
    longest: int | None = None,
    opacity: float = 0.6,
) -> tuple[bytes, str]:
    """Return (content, type) of a picture, at most `longest` pixels wide and high.

    `kind` is image, mask (paletted), cover (a mask whose black classes are transparent, to be laid
    over the image), overlay, or indices (grey values are class indices). Masks are never
    interpolated, so that at full size they are exactly the class map.
    """
    if kind in ("mask", "cover", "indices"):
        assert mask is not None
        small = _masks_size(mask, longest)
        if kind == "mask":
            return _png(paletted_image(small, palette))
        if kind == "cover":
            alpha = np.where(palette.any(axis=1), 255, 0).astype(np.uint8).tobytes()
            return _png(paletted_image(small, palette), transparency=alpha)
        return _png(Image.fromarray(small))
    assert image is not None
    if kind == "overlay" and mask is not None:
        image = _images_size(image, longest)
        shape = (image.shape[1], image.shape[0])
        mask = np.asarray(Image.fromarray(mask).resize(shape, Resampling.NEAREST))
        return _jpeg(Image.fromarray(overlay(image, mask, palette, opacity)))
    return _jpeg(Image.fromarray(_images_size(image, longest)))


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return where two class maps differ: H x W x 3 RGB, red on white."""
    colours = np.full((256, 3), 255, np.uint8)
    colours[1] = (200, 0, 30)
    return paint((first != second).astype(np.uint8), colours)


def png(array: NDArray[np.uint8]) -> bytes:
    """Return an image as PNG."""
    return _png(Image.fromarray(array))[0]


def _size(array: NDArray[Any], longest: int | None) -> tuple[int, int] | None:
    height, width = array.shape[:2]
    if longest is None or max(height, width) <= longest:
        return None
    scale = longest / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _masks_size(mask: NDArray[np.uint8], longest: int | None) -> NDArray[np.uint8]:
    size = _size(mask, longest)
    return mask if size is None else np.asarray(Image.fromarray(mask).resize(size, 0))


def _images_size(image: NDArray[np.uint8], longest: int | None) -> NDArray[np.uint8]:
    size = _size(image, longest)
    if size is None:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Resampling.BILINEAR))


def _png(image: Image.Image, **settings: Any) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **settings)
    return buffer.getvalue(), "image/png"


def _jpeg(image: Image.Image) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue(), "image/jpeg"
