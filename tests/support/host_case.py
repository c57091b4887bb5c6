"""Helpers of the preview's tests: a net, scores that `infer` wrote, a client that fills forms."""

import base64
import io
import json
import os
import re
import sys
from importlib.metadata import EntryPoint

import numpy as np
from digits_folders import write_weights
from PIL import Image
from places import REPO
from tiny_segmentation import CLASSES, net_text

from fcnkit.commands import main
from fcnkit.web.app import create_app
from fcnkit.web.extensions import GROUPS, Extensions
from fcnkit.web.preview import Preview, first_dataset

PLUGIN = str(REPO / "digits_plugin")

# Names that a careless page would run, or that would break its tags and scripts.
NASTY = [
    "<script>window.pwned=1</script>",
    "\"><img src=x onerror='window.pwned=1'>",
    "{{ 7*7 }}{% raw %}{[ constructor.constructor('window.pwned=1')() ]}",
    "{{constructor.constructor('window.pwned=1')()}}",
    "</script><script>window.pwned=1</script>",
    "a" * 220,  # the longest that file systems accept with the suffixes of infer
    "水牌 été אב \U0001f408 \u2028",
    'it\'s \\ "quoted" & <b>bold</b>',
]


def ours():
    """Return `Extensions` with this repository's two, whether they are installed or not."""
    if PLUGIN not in sys.path:
        sys.path.append(PLUGIN)
    return Extensions(
        {
            GROUPS["view"]: [entry_point("view", "digits_fcn.view:Visualization")],
            GROUPS["data"]: [entry_point("data", "digits_fcn.data:DataIngestion")],
        }
    )


def entry_point(kind, value):
    """Return an entry point like that of an installed package."""
    return EntryPoint("class", value, GROUPS[kind])


def write_net(folder):
    """Write a net that separates red from green; returns the options that name it."""
    net, weights = (os.path.join(folder, name) for name in ("net.prototxt", "w.caffemodel"))
    with open(net, "w") as file:
        file.write(net_text())
    write_weights(weights)
    with open(os.path.join(folder, "classes.txt"), "w") as file:
        file.write("\n".join(CLASSES) + "\n")
    return ["--net", net, "--weights", weights]


def picture(height=60, width=80, seed=0):
    """Return H x W x 3 uint8 RGB: dark with a red and a green block, and some noise."""
    image = np.random.RandomState(seed).randint(0, 60, (height, width, 3)).astype(np.uint8)
    image[height // 6 : height // 2, width // 8 : width // 2, 0] += 150
    image[height // 2 : -height // 6, width // 2 : -width // 8, 1] += 150
    return image


def png(array):
    """Return an image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def infer(folder, names, *options):
    """Run `infer --save-scores` on pictures called `names`; returns the output folder."""
    images = os.path.join(folder, "images")
    os.makedirs(images, exist_ok=True)
    for seed, name in enumerate(names):
        with open(os.path.join(images, name + ".png"), "wb") as file:
            file.write(png(picture(seed=seed)))
    network = write_net(folder)
    out = os.path.join(folder, "out")
    command = [images, "-o", out, "--save-scores", *network, *options]
    assert main.run_module("fcnkit.commands.infer", command) == 0
    return out


class Client:
    """A browser without scripts: fetches pages and fills in the token of forms."""

    def __init__(self, samples, extensions, names=None, palette=None, segmenter=None):
        dataset = first_dataset("given", samples, names, palette)
        self.preview = Preview("model", samples, extensions, dataset, segmenter)
        self.app = create_app(self.preview)
        self.http = self.app.test_client()

    def token(self, page="/"):
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.http.get(page).text)
        return found.group(1)

    def post(self, address, **fields):
        first = next(iter(self.preview.extensions.views), None)
        fields = {
            "csrf_token": self.token(),
            "view_extension_id": first,
            "dataset": 0,
            **fields,
        }
        return self.http.post(
            address,
            data={name: value for name, value in fields.items() if value is not None},
            content_type="multipart/form-data",
        )

    def infer_one(self, **fields):
        fields = {"image_path": 0, **OPTIONS, **fields}
        return self.post("/models/images/generic/infer_one", **fields)

    def infer_many(self, **fields):
        return self.post("/models/images/generic/infer_many", **{**OPTIONS, **fields})


# The defaults of our visualization's options.
OPTIONS = {"palette": "dataset", "background": "auto"}


def shown(html):
    """Return what our visualization passed to its script for each sample on a page."""
    found = re.findall(r'class="fcn-data">(.*?)</script>', html, re.DOTALL)
    return [json.loads(text) for text in found]


def mask_of(sample):
    """Return (indices, palette 256 x 3) of the paletted PNG that the page offers for a sample."""
    found = sample["maps"][0]["mask"].split(",", 1)[1]
    image = Image.open(io.BytesIO(base64.b64decode(found)))
    assert image.mode == "P"
    return np.array(image), np.array(image.getpalette("RGB")).reshape(-1, 3)
