"""The one function of digits.utils.image that extensions call."""

from __future__ import absolute_import, division, unicode_literals

import base64
import io

import numpy as np
from PIL import Image


def embed_image_html(image):
    """A data URI of a Pillow image or array: JPEG, or PNG where `image.format` says so."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    kind = "png" if (getattr(image, "format", None) or "").lower() == "png" else "jpeg"
    out = io.BytesIO()
    image.save(out, kind)
    return "data:image/%s;base64,%s" % (kind, base64.b64encode(out.getvalue()).decode("ascii"))
