"""Stands in for `digits.utils.image`: pictures as data URIs."""

import base64
import io

import numpy as np
from PIL import Image


def embed_image_html(image):
    """A data URI of a `PIL.Image` or an H x W (x 3) uint8 array.

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
