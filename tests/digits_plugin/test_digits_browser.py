"""The pages in headless Chromium: every control clicked, downloads compared, nothing runs.

Needs Node, Chromium and, once, `npm install` in tests/digits_plugin/browser. FCNKIT_SHOTS names a
folder that keeps the screenshots.
"""

from __future__ import absolute_import, division, unicode_literals

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import unittest

import fake_digits
import numpy as np
import scene
from digits_case import HERE, NASTY, Case, make_voc
from digits_fcn import classmap, metrics, names, page, paint, palette
from digits_fcn.view import Visualization
from PIL import Image

BROWSER = os.path.join(HERE, "browser")
MODULES = os.path.join(BROWSER, "node_modules")
VOC = {"class_labels": list(names.VOC), "color_palette": palette.to_list(palette.voc())}


def program(*candidates):
    """Return the path of the first program that is installed, or None."""
    if sys.version_info[0] == 2:
        return None
    return next((path for path in map(shutil.which, candidates) if path), None)


NODE = program("node", "nodejs")
CHROMIUM = program(os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")


@unittest.skipUnless(
    NODE and CHROMIUM and os.path.isdir(MODULES),
    "needs Python 3, Node, Chromium and `npm install` in tests/digits_plugin/browser",
)
class Browser(Case):
    def module(self, *parts):
        with io.open(os.path.join(MODULES, *parts), encoding="utf-8") as f:
            # Bootstrap's icons are beside its style sheet, which is inlined here.
            return f.read().replace("../fonts/", "file://%s/bootstrap/dist/fonts/" % MODULES)

    def page(self, name, *arguments, **options):
        angular = options.pop("angular", "angular")
        options["styles"] = [self.module("bootstrap", "dist", "css", "bootstrap.min.css")]
        options["scripts"] = [
            self.module("jquery", "dist", "jquery.min.js"),
            self.module("bootstrap", "dist", "js", "bootstrap.min.js"),
            self.module(angular, "angular.min.js"),
            self.module("ngstorage", "ngStorage.min.js"),
        ]
        html = fake_digits.test_page(*arguments, **options)
        self.write(html, name)

    def test_all_pages(self):
        os.mkdir(os.path.join(self.folder, "downloads"))
        self.make_one()
        self.make_many()
        self.make_nasty()
        self.make_ends()
        self.make_forms()
        done = subprocess.Popen(
            [NODE, os.path.join(BROWSER, "check.js"), self.folder, CHROMIUM],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = done.communicate()[0].decode("utf-8", "replace")
        shots = os.environ.get("FCNKIT_SHOTS")
        if shots:
            for name in os.listdir(self.folder):
                if name.endswith((".png", ".html")):
                    shutil.copy(os.path.join(self.folder, name), shots)
        self.assertEqual(done.returncode, 0, output)
        self.check_downloads()

    def make_one(self):
        image, label = scene.drawn()
        scores = scene.scores(label)
        found = classmap.class_map("score", scores)
        self.indices = found.indices
        counts = metrics.confusion(label, found.indices, 21)
        # The page shows the image as JPEG, so the expected overlay starts from that.
        uri = page.picture_uri(image, label.shape)
        sent = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
        height, width = label.shape
        x, y = int(0.8 * width), int(0.55 * height)
        shares = np.bincount(found.indices.ravel(), minlength=256)
        wanted = np.bincount(label.ravel(), minlength=256)
        order = sorted(np.flatnonzero(shares + wanted), key=lambda i: (-shares[i], -wanted[i], i))
        iou = metrics.iou(counts)
        index = int(found.indices[y, x])
        known = {
            "width": width,
            "height": height,
            "file": "street_1.jpg",
            "overlay": paint.overlay(np.array(sent), found.indices, palette.voc(), background=0)
            .ravel()
            .tolist(),
            "wrong": int(((label != 255) & (label != found.indices)).sum()),
            "inside": {
                "x": x,
                "y": y,
                "index": index,
                "name": names.VOC[index],
                "truth": names.VOC[int(label[y, x])],
                "confidence": int(found.confidence[y, x] / 255.0 * 100 + 0.5),
                "colour": palette.voc()[index].tolist(),
            },
            "legend": [
                [
                    int(i),
                    "< 0.1 %"
                    if 0 < shares[i] < 0.0005 * label.size
                    else "%.1f %%" % (100.0 * shares[i] / label.size),
                    "\u2013" if i > 20 or np.isnan(iou[i]) else "%.1f %%" % (100 * iou[i]),
                ]
                for i in order
            ],
        }
        self.write(json.dumps(known), "one.json")
        for name, angular in (("one.html", "angular"), ("one18.html", "angular18")):
            self.page(
                name,
                fake_digits.Dataset(VOC),
                [("street 1.jpg", image)],
                {"score": [scores], "label": [label[None]]},
                angular=angular,
                title="voc-fcn8s",
            )

    def make_many(self):
        image, label = scene.drawn(320, 240)
        geo = (np.arange(240) // 80).astype(np.uint8)[:, None].repeat(320, axis=1)
        outputs = {
            "score_sem": [scene.scores(label, 21, seed) for seed in range(3)],
            "score_geo": [scene.scores(geo, 3, seed) for seed in range(3)],
        }
        inputs = [(i, np.roll(image, 40 * i, axis=1)) for i in range(3)]
        self.page(
            "many.html", fake_digits.Dataset({"class_labels": list(names.VOC)}), inputs, outputs
        )

    def make_nasty(self):
        userdata = {"class_labels": NASTY + ["plain"] * 14}
        self.write(json.dumps(NASTY), "nasty.json")
        indices = np.arange(7, dtype=np.uint8)[None].repeat(40, axis=0).repeat(40, axis=1)
        scores = (indices[None] == np.arange(21)[:, None, None]).astype(np.float32)
        self.page(
            "nasty.html",
            fake_digits.Dataset(userdata),
            [(NASTY[0] + NASTY[1], np.zeros((40, 280, 3), np.uint8))],
            {NASTY[3]: [scores]},
            {"palette": "even", "background": "no"},
        )

    def make_ends(self):
        dataset = fake_digits.Dataset({})
        samples = [
            ("one pixel", np.ones((2, 1, 1))),
            ("256 classes", np.eye(256).reshape(256, 16, 16)),
            ("all ignored", np.full((3, 30, 40), np.nan)),
            ("no map", np.zeros(1000)),
            ("class map", np.arange(12.0).reshape(1, 3, 4)),
        ]
        inputs = [(n, np.full((30, 40, 3), 90, np.uint8)) for n, _ in samples]
        self.page(
            "ends.html", dataset, inputs, {"score": [s for _, s in samples]}, {"palette": "even"}
        )

    def make_forms(self):
        folder = make_voc(self.path("voc"), names="abcdefgh", val="cdefgh")
        form = {"source": folder, "train_set": "train", "val_set": "minival", "label_kind": "auto"}
        _, errors, dataset_form = fake_digits.create_dataset(form)
        self.assertIn("val_set", errors)
        dataset, _, _ = fake_digits.create_dataset(dict(form, val_set="val"))
        inference_form = fake_digits.inference_form(dataset)
        with fake_digits.app().test_request_context("/"):
            template, context = Visualization.get_config_template(Visualization.get_config_form())
            config_form = fake_digits.flask.render_template_string(template, **context)
        columns = [
            ("New dataset: VOC segmentation", dataset_form.replace(self.folder, "/data")),
            ("Visualization: FCN Segmentation", config_form),
            ("Test: VOC segmentation", inference_form),
        ]
        html = "".join(
            '<div class="col-xs-4"><h4>%s</h4><form>%s</form></div>' % column for column in columns
        )
        style = self.module("bootstrap", "dist", "css", "bootstrap.min.css")
        page = (
            "<!DOCTYPE html><meta charset='utf-8'><style>%s</style><div class='container'>%s</div>"
        )
        self.write(page % (style, html), "forms.html")

    def check_downloads(self):
        folder = os.path.join(self.folder, "downloads")
        mask = Image.open(os.path.join(folder, "street_1.jpg_mask.png"))
        self.assertEqual(mask.mode, "P")
        self.assertTrue((np.array(mask) == self.indices).all())
        self.assertTrue((palette.of_image(mask) == palette.voc()).all())
        with io.open(os.path.join(folder, "street_1.jpg_map.json"), encoding="utf-8") as f:
            document = json.load(f)
        areas = {a["category_id"]: a["area"] for a in document["annotations"]}
        found = np.unique(self.indices)
        self.assertEqual(areas, {int(i): int((self.indices == i).sum()) for i in found})
        overlay = Image.open(os.path.join(folder, "street_1.jpg_overlay.png"))
        self.assertEqual(overlay.size, (500, 375))


if __name__ == "__main__":
    unittest.main()
