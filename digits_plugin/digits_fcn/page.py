"""Content of a page: pictures as data URIs and one JSON text per sample.

All outside text (class names, file names, messages) travels in that JSON, which the script puts on
the page as text. None of it is ever part of the HTML or of a script's source.
"""

from __future__ import absolute_import, division, unicode_literals

import base64
import json

import numpy as np

from . import export, metrics, paint
from .classmap import IGNORE
from .errors import FcnError
from .names import shown_name
from .outline import border_distance
from .text import shorten, to_text


def script_json(value):
    """Return JSON text that is safe inside a <script> element: pure ASCII, no <, > or &."""
    text = to_text(json.dumps(value, allow_nan=False))
    for character in "<>&":
        text = text.replace(character, "\\u%04x" % ord(character))
    return text


def data_uri(raw, kind):
    """Return a data URI of the bytes `raw` with media type `kind`."""
    return "data:%s;base64,%s" % (kind, base64.b64encode(raw).decode("ascii"))


def png_uri(array):
    """Return the data URI of an H x W or H x W x 3 uint8 array as PNG."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(array))
    # Level 3 takes half the time of the default for a few percent more bytes.
    return data_uri(export.encoded(image, compress_level=3), "image/png")


def layers_uri(indices, background, confidence=None):
    """Return a picture for the script: red is class, green border distance, blue confidence.

    The border distance is 0 where no outline is ever drawn: background and ignored pixels.
    """
    border = border_distance(indices)
    bare = indices == IGNORE
    if background is not None:
        bare |= indices == background
    border[bare] = 0
    blue = np.zeros_like(indices) if confidence is None else confidence
    return png_uri(np.stack((indices, border, blue), axis=2))


def legend(indices, table, names, classes=None, truth=None, counts=None):
    """Return the rows of the legend, the largest share first: list of dict.

    They are the classes in the map or in the ground truth; `share` and `truth_share` are fractions
    of all pixels, `iou` is None if there is no ground truth or the class occurs in neither.
    classes: the network's number of classes, None where that is unknown.
    """
    pixels = np.bincount(indices.ravel(), minlength=256)
    wanted = pixels if truth is None else np.bincount(truth.ravel(), minlength=256)
    each = [] if counts is None else metrics.iou(counts)
    rows = []
    for index in np.flatnonzero(pixels + wanted):
        index = int(index)
        score = each[index] if index < len(each) else np.nan
        rows.append(
            {
                "index": index,
                "name": shown_name(names, index, classes),
                "color": "#%02x%02x%02x" % tuple(int(v) for v in table[index]),
                "share": float(pixels[index]) / indices.size,
                "truth_share": None if truth is None else float(wanted[index]) / indices.size,
                "iou": None if np.isnan(score) else float(score),
            }
        )
    return sorted(rows, key=lambda row: (-row["share"], -(row["truth_share"] or 0), row["index"]))


def map_payload(found, table, names, background, file_name, truth=None, counts=None):
    """Return one class map for the script: a dict of plain values.

    found: ClassMap; table: 256 x 3 uint8; truth: H x W uint8 or None, with `counts`, its confusion.
    """
    height, width = found.indices.shape
    document = export.coco(found.indices, table, names, classes=found.classes, file_name=file_name)
    payload = {
        "name": shorten(found.name, 200),
        "width": width,
        "height": height,
        "palette": [int(value) for value in table.ravel()],
        "background": background,
        "layers": layers_uri(found.indices, background, found.confidence),
        "confidence": found.confidence is not None,
        "score": score_payload(found.best),
        "mask": data_uri(export.paletted_png(found.indices, table), "image/png"),
        "json": export.json_text(document),
        "legend": legend(found.indices, table, names, found.classes, truth, counts),
        "truth": None,
    }
    if truth is not None:
        payload["truth"] = {
            "layers": layers_uri(truth, background),
            "accuracy": _number(metrics.pixel_accuracy(counts)),
            "mean_iou": _number(metrics.mean_iou(counts)),
        }
    return payload


def score_payload(best):
    """Return the winning scores in 256 steps: {uri, low, high}, or None for maps without scores."""
    if best is None:
        return None
    finite = best[np.isfinite(best)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    step = (high - low) / 255 or 1.0
    scaled = np.clip((np.nan_to_num(best) - low) / step + 0.5, 0, 255)
    return {"uri": png_uri(scaled.astype(np.uint8)), "low": low, "high": high}


def picture_uri(data, size):
    """Return the network's input at (height, width) as a data URI; None if it is not a picture."""
    from PIL import Image

    rgb = paint.to_rgb(data, size)
    if rgb is None:
        return None
    return data_uri(
        export.encoded(Image.fromarray(rgb), "JPEG", quality=92, subsampling=0), "image/jpeg"
    )


def check_truth(truth, found, names):
    """Return a map's confusion counts against its truth; raises FcnError with the map's name."""
    classes = found.classes
    if classes is None:
        # A map without scores does not state the number of classes: names, map and label do.
        both = np.concatenate((found.indices.ravel(), truth.ravel()))
        both = both[both != IGNORE]
        classes = max(len(names or ()), int(both.max()) + 1 if both.size else 1)
    try:
        return metrics.confusion(truth, found.indices, classes)
    except FcnError as error:
        raise FcnError("Output '%s': %s" % (shorten(found.name), error.words))


def _number(value):
    return None if np.isnan(value) else float(value)
