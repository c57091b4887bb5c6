"""The preview in headless Chromium: every control is clicked, downloads are infer's masks.

Needs Node, Chromium and, once, `npm install` in tests/digits_plugin/browser, whose driver is used.
FCNKIT_SHOTS names a folder that keeps the screenshots.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from host_case import NASTY, infer, picture, png
from PIL import Image
from places import TESTS

from fcnkit.commands import main
from fcnkit.images import read_rgb, voc_palette, write_label
from fcnkit.inference import Evaluation, Segmenter, segment_files
from fcnkit.web import SharedSegmenter
from fcnkit.web.preview import Preview, first_dataset
from fcnkit.web.samples import find_score_files
from fcnkit.web.server import make_server

pytestmark = pytest.mark.browser

DRIVER = TESTS / "digits_plugin" / "browser"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser"])), None)
NODE = shutil.which("node") or shutil.which("nodejs")

sys.path.append(str(DRIVER.parent))
import scene  # noqa: E402  (the street that the extension's own screenshots show)


class Street:
    """Stands in for a Segmenter: returns nearly correct scores of the drawn street."""

    output_blob, note, evaluation = "score", None, Evaluation()
    map_of, prediction_of = Segmenter.map_of, Segmenter.prediction_of

    def read(self, source, name=None):
        return read_rgb(source)

    def batch_key(self, image, name):
        return image.shape

    def scores(self, image, name):
        label = scene.drawn(image.shape[1], image.shape[0])[1]
        return scene.scores(label, seed=len(name))

    def scores_together(self, images, names):
        return list(map(self.scores, images, names))


def segment(folder, names):
    """Write scores and masks of the street to `folder`/out as infer does; returns the samples."""
    images, out = str(folder / "images"), str(folder / "out")
    os.makedirs(images)
    os.makedirs(out)
    paths = {name: os.path.join(images, name + ".png") for name in names}
    for name, path in paths.items():
        size = {"street": (500, 375), "street_2": (320, 240)}.get(name, (120, 90))
        Image.fromarray(scene.drawn(*size)[0]).save(path)
    results = segment_files(Street(), paths, out, voc_palette(), save_scores="float16")
    assert all(result.error is None for result in results)
    return find_score_files([out])


def write_voc(folder):
    """Write the street with its true labels as a dataset in the VOC layout."""
    street, label = scene.drawn()
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        os.makedirs(folder / part)
    for name, step in (("street", 1), ("mirrored", -1)):
        Image.fromarray(street[:, ::step]).save(folder / "JPEGImages" / f"{name}.png")
        path = folder / "SegmentationClass" / f"{name}.png"
        write_label(path, label[:, ::step], voc_palette())
    for split in ("train", "val"):
        listing = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
        listing.write_text("street\nmirrored\n")


def same(downloaded, mask):
    """The downloaded mask is infer's, index for index and colour for colour."""
    ours, theirs = Image.open(downloaded), Image.open(mask)
    assert ours.mode == theirs.mode == "P"
    np.testing.assert_array_equal(np.array(ours), np.array(theirs))
    assert ours.getpalette("RGB") == theirs.getpalette("RGB")


@contextlib.contextmanager
def serving(preview):
    """Serve `preview` from a thread; yields its address."""
    server = make_server(preview, "127.0.0.1", 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.port}/"
    finally:
        server.shutdown()


@pytest.mark.skipif(not (NODE and CHROMIUM), reason="needs Node and Chromium")
@pytest.mark.skipif(not (DRIVER / "node_modules").is_dir(), reason=f"needs npm install in {DRIVER}")
def test_every_control(tmp_path, extensions):
    samples = segment(tmp_path, ["street", "street_2"])
    nasty = segment(tmp_path / "nasty", [name for name in NASTY if "/" not in name])
    infer(str(tmp_path / "tiny"), "a")
    net = [str(tmp_path / "tiny" / name) for name in ("net.prototxt", "w.caffemodel")]
    segmenter = SharedSegmenter(Segmenter(*net))
    write_voc(tmp_path / "voc")
    upload, broken = tmp_path / "red & green.png", tmp_path / "broken.png"
    upload.write_bytes(png(picture(120, 160)))
    broken.write_bytes(b"no image")
    os.mkdir(tmp_path / "downloads")
    classes = NASTY + ["c" * 300] + ["plain"] * (20 - len(NASTY))
    known = {
        "samples": [sample.title for sample in samples],
        "names": [sample.title for sample in nasty],
        "classes": classes,
        "upload": str(upload),
        "broken": str(broken),
        "voc": str(tmp_path / "voc"),
    }
    given = first_dataset("PASCAL VOC", samples)
    shown = Preview("voc-fcn8s", samples, extensions, given, SharedSegmenter(Street()))
    tiny = Preview("red and green", [], extensions, first_dataset("none", []), segmenter)
    hostile = first_dataset(NASTY[0], nasty, classes)
    with (
        serving(shown) as address,
        serving(tiny) as known["tiny"],
        serving(Preview(NASTY[0], nasty, extensions, hostile)) as known["nasty"],
    ):
        (tmp_path / "known.json").write_text(json.dumps(known))
        check = Path(__file__).parent / "browser" / "check.js"
        done = subprocess.run(
            [NODE, check, tmp_path, CHROMIUM, address, DRIVER / "page.js"],
            capture_output=True,
            text=True,
            timeout=600,
        )
    if os.environ.get("FCNKIT_SHOTS"):
        for path in tmp_path.glob("*.png"):
            shutil.copy(path, os.environ["FCNKIT_SHOTS"])
    assert done.returncode == 0, done.stdout + done.stderr
    downloads = tmp_path / "downloads"
    same(downloads / "street_mask.png", tmp_path / "out" / "street.png")
    out = str(tmp_path / "uploaded")
    command = [str(upload), "-o", out, "--net", net[0], "--weights", net[1]]
    assert main.run_module("fcnkit.commands.infer", command) == 0
    same(downloads / "red_green.png_mask.png", os.path.join(out, "red & green.png"))
