"""Stand-in for `digits.utils.image`: pictures as data URIs."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def embed_image_html(image: Image.Image | NDArray[Any]) -> str:
    """Return a data URI of an image or of an H x W (x 3) array with values from 0 to 255.

    JPEG, unless the image's `format` is "png".
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image.astype(np.uint8))
    kind = "png" if (image.format or "").lower() == "png" else "jpeg"
    if kind == "jpeg" and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind};base64,{text}"
