"""The files a user downloads: the paletted PNG, the overlay and the class map as JSON."""

from __future__ import absolute_import, division, unicode_literals

import io
import json

import numpy as np

from . import paint, rle
from .names import shown_name
from .text import to_text


def paletted_png(indices, table):
    """Return a PNG of mode P with the class indices (255 = ignore) and the whole palette.

    indices: H x W uint8; table: 256 x 3 uint8. Returns bytes.
    """
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(np.asarray(table, np.uint8).tobytes())
    return encoded(image)


def encoded(image, kind="PNG", **options):
    """Return the bytes of a Pillow image as PNG (or JPEG)."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def overlay_png(image, indices, table, **options):
    """Return the class map painted over the image as PNG bytes (options: see `paint.overlay`)."""
    from PIL import Image

    return encoded(Image.fromarray(paint.overlay(image, indices, table, **options)))


def coco(indices, table, names=None, classes=None, image_id=1, file_name=""):
    """Return the class map as a dict in the layout of COCO's annotation files.

    Every class that occurs, including the background and 255 ("ignored"), is one annotation with
    its run lengths as COCO's string, so that the whole map can be read back. classes: the
    network's number of classes (with 256 of them 255 is a class), None where that is unknown.
    """
    height, width = indices.shape
    runs = rle.class_runs(indices)
    annotations, categories = [], []
    for number, index in enumerate(sorted(runs)):
        counts = runs[index]
        categories.append(
            {
                "id": index,
                "name": shown_name(names, index, classes),
                "color": [int(value) for value in table[index]],
            }
        )
        annotations.append(
            {
                "id": number + 1,
                "image_id": image_id,
                "category_id": index,
                "segmentation": {"size": [height, width], "counts": rle.to_string(counts)},
                "area": int(counts[1::2].sum()),
                "bbox": bounding_box(counts, height),
                "iscrowd": 1,
            }
        )
    picture = {"id": image_id, "file_name": to_text(file_name), "width": width, "height": height}
    return {"images": [picture], "categories": categories, "annotations": annotations}


def bounding_box(counts, height):
    """Return the box [x, y, width, height] in pixels around the set pixels of run lengths."""
    edges = np.cumsum(counts)
    end = edges[1::2] - 1
    begin = edges[0::2][: len(end)]
    left, right = int((begin // height).min()), int((end // height).max())
    if (begin // height != end // height).any():
        # A run into the next column covers the bottom of one and the top of the other.
        top, bottom = 0, height - 1
    else:
        top, bottom = int((begin % height).min()), int((end % height).max())
    return [left, top, right - left + 1, bottom - top + 1]


def json_text(document):
    """Return the dict as one line of ASCII JSON."""
    return to_text(json.dumps(document, sort_keys=True, allow_nan=False))
