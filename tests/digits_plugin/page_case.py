"""Helpers of the page's tests: one sample through DIGITS' steps, and its JSON."""

from __future__ import absolute_import, division, unicode_literals

import base64
import io
import json
import re

import fake_digits
import numpy as np
from digits_case import Case
from digits_fcn import names, palette
from PIL import Image

VOC = {"class_labels": list(names.VOC), "color_palette": palette.to_list(palette.voc())}


def samples(html):
    """Return the JSON of each sample on a page."""
    found = re.findall(r'class="fcn-data">(.*?)</script>', html, re.S)
    return [json.loads(text) for text in found]


def picture(uri):
    """Return the array behind a data URI."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


class OnePage(Case):
    def page(self, scores, userdata=VOC, image=None, options=None, input_id=0):
        scores = scores if isinstance(scores, dict) else {"score": scores}
        if image is None:
            height, width = [np.asarray(scores[k]).shape[-2:] for k in scores][0]
            image = np.zeros((height, width, 3), np.uint8)
        return fake_digits.test_page(
            fake_digits.Dataset(userdata),
            [(input_id, image)],
            {name: np.asarray(scores[name])[None] for name in scores},
            dict({"palette": "dataset"}, **(options or {})),
        )

    def sample(self, *args, **kwargs):
        return samples(self.page(*args, **kwargs))[0]
