"""The visualization, called as DIGITS calls it."""

from __future__ import absolute_import, division, unicode_literals

import base64
import io
import json
import logging
import unittest

import fake_digits
import numpy as np
from digits_case import NASTY, paletted, rings, scores_of
from digits_fcn import names, palette, rle
from digits_fcn.view import Visualization
from page_case import VOC, OnePage, picture, samples
from PIL import Image


class Contract(OnePage):
    def test_what_the_class_says_of_itself(self):
        self.assertEqual(Visualization.get_title(), "FCN Segmentation")
        self.assertTrue(Visualization.get_id())
        self.assertTrue(Visualization.get_dirname())
        self.assertTrue(Visualization.get_default_visibility())
        with fake_digits.app().test_request_context("/"):
            form = Visualization.get_config_form()
            template, context = Visualization.get_config_template(form)
            html = fake_digits.flask.render_template_string(template, **context)
        for word in ("Palette", "Ground truth folder", "explanation-tooltip"):
            self.assertIn(word, html)

    def test_the_frame_is_finished_html_that_closes_what_it_opens(self):
        header, footer = Visualization(None).get_ng_templates()
        self.assertNotIn("{{", header + footer)
        self.assertNotIn("{%", header + footer)
        self.assertIn('ng-app="fcn_segmentation"', header)
        body = header[header.rindex("</script>") :] + footer
        self.assertEqual(body.count("<div"), body.count("</div>"))
        self.assertEqual(header.count("<script"), 1)

    def test_test_one(self):
        indices = rings(40, 50, 6)
        sample = self.sample(scores_of(indices, 21))
        self.assertIsNone(sample["error"])
        found = sample["maps"][0]
        mask = Image.open(io.BytesIO(base64.b64decode(found["mask"].split(",")[1])))
        self.assertEqual(mask.mode, "P")
        self.assertTrue((np.array(mask) == indices).all())
        self.assertTrue((palette.of_image(mask) == palette.voc()).all())
        layers = picture(found["layers"])
        self.assertTrue((layers[:, :, 0] == indices).all())
        self.assertEqual(layers[:, :, 1][indices == 0].max(), 0)
        document = json.loads(found["json"])
        area = {a["category_id"]: a["area"] for a in document["annotations"]}
        self.assertEqual(area, {int(i): int((indices == i).sum()) for i in np.unique(indices)})
        self.assertEqual(
            document["categories"][1]["name"], names.VOC[document["categories"][1]["id"]]
        )
        shares = [row["share"] for row in found["legend"]]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertAlmostEqual(sum(shares), 1)

    def test_test_many_sums_up_in_the_header(self):
        maps = [rings(20, 30, 4, seed) for seed in range(3)]
        images = [(i, np.full((20, 30, 3), i, np.uint8)) for i in range(3)]
        labels = [m.copy() for m in maps]
        labels[1][:, :15] = 3
        html = fake_digits.test_page(
            fake_digits.Dataset(VOC),
            images,
            {"score": [scores_of(m, 21) for m in maps], "label": [m[None] for m in labels]},
        )
        self.assertEqual(len(samples(html)), 3)
        self.assertIn("3 samples, output <b>score</b>", html)
        wrong = (labels[1] != maps[1]).sum() / 1800.0
        self.assertIn("pixel accuracy %.1f %%" % (100 * (1 - wrong)), html)

    def test_two_outputs_have_names_of_their_own(self):
        userdata = {"class_labels": ["c%d" % i for i in range(33)]}
        first = rings(10, 12, 3)
        html = self.page(
            {"score_geo": scores_of(first, 3), "score_sem": scores_of(first + 20, 33)}, userdata
        )
        geo, sem = samples(html)[0]["maps"]
        self.assertEqual({row["name"] for row in geo["legend"]}, {"class 0", "class 1", "class 2"})
        self.assertEqual({row["name"] for row in sem["legend"]}, {"c20", "c21", "c22"})
        self.assertEqual([geo["background"], sem["background"]], [None, None])
        self.assertIn("names 33 classes and output &#39;score_geo&#39; has 3", html)

    def test_a_class_map_output(self):
        sample = self.sample(rings(10, 12, 4)[None].astype(np.float32))
        self.assertFalse(sample["maps"][0]["confidence"])
        self.assertIsNone(sample["maps"][0]["score"])
        self.assertEqual(sample["maps"][0]["legend"][0]["name"], "background")

    def test_background_follows_the_names_or_the_form(self):
        scores = scores_of(rings(8, 8, 3), 3)
        for labels, option, expected in (
            (None, "auto", 0),
            (["background", "a", "b"], "auto", 0),
            (["sky", "a", "b"], "auto", None),
            (["sky", "a", "b"], "yes", 0),
            (["background", "a", "b"], "no", None),
        ):
            userdata = {"class_labels": labels} if labels else {}
            sample = self.sample(scores, userdata, options={"background": option})
            self.assertEqual(sample["maps"][0]["background"], expected)


class Palettes(OnePage):
    def colours(self, **kwargs):
        html = self.page(scores_of(rings(9, 9, 3), 5), **kwargs)
        return np.array(samples(html)[0]["maps"][0]["palette"]).reshape(256, 3), html

    def test_each_choice(self):
        mine = [1, 2, 3] + [0] * 765
        dataset = {"color_palette": mine}
        self.assertEqual(self.colours(userdata=dataset)[0][0].tolist(), [1, 2, 3])
        for options, table in (
            ({"palette": "voc"}, palette.voc()),
            ({"palette": "even"}, palette.even(5)),
            ({"palette": "file", "palette_file": self.file()}, palette.even(9)),
        ):
            self.assertTrue((self.colours(userdata=dataset, options=options)[0] == table).all())

    def file(self):
        path = self.path("palette.png")
        paletted(np.zeros((2, 2), np.uint8), palette.even(9)).save(path)
        return path

    def test_a_dataset_without_a_palette_is_told(self):
        for userdata in ({"class_labels": ["a"]}, {"color_palette": None}, {"color_palette": []}):
            table, html = self.colours(userdata=userdata)
            self.assertTrue((table == palette.voc()).all())
            self.assertIn("has no palette", html)

    def test_a_dataset_of_another_extension_is_told(self):
        for dataset in (None, fake_digits.Dataset(), fake_digits.Dataset("not a dict")):
            view = Visualization(dataset, palette="dataset")
            self.assertIn("made by another extension", " ".join(view.notes))

    def test_a_broken_palette_is_told(self):
        _, html = self.colours(userdata={"color_palette": [1, 2]})
        self.assertIn("has 2 numbers", html)

    def test_what_is_wrong_with_the_options_never_costs_the_answer(self):
        broken = self.write("no colours", "broken.txt")
        mine = {"color_palette": [1, 2, 3] + [0] * 765}
        for options, words in (
            ({"palette": "file", "palette_file": "/no"}, "cannot be read (there is no such file)"),
            ({"palette": "file", "palette_file": self.folder}, "it is not a regular file"),
            ({"palette": "file", "palette_file": "/dev/zero"}, "it is not a regular file"),
            ({"palette": "file", "palette_file": broken}, "is not a colour"),
            ({"palette": "file", "palette_file": ""}, "No palette file was entered"),
            ({"palette": "nonsense"}, "no palette choice &#39;nonsense&#39;"),
            ({"background": "nonsense"}, "no choice &#39;nonsense&#39; for class 0"),
            ({"truth_folder": "/no/such"}, "Ground truth is left out"),
            ({"truth_folder": "a\0b"}, "Ground truth is left out"),
        ):
            for userdata, first in ((mine, [1, 2, 3]), ({}, [0, 0, 0])):
                table, html = self.colours(userdata=userdata, options=options)
                self.assertIn(words, html)
                self.assertEqual(table[0].tolist(), first)
                if "palette_file" in options:
                    whose = "dataset&#39;s" if userdata else "PASCAL VOC&#39;s"
                    self.assertIn("%s palette is used instead" % whose, html)

    def test_classes_past_a_short_palette_have_colours_of_their_own(self):
        path = self.write("1 2 3\n4 5 6\n", "short.txt")
        three = paletted(np.zeros((2, 2), np.uint8), np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]))
        three.save(self.path("short.png"))
        for userdata, options in (
            ({"color_palette": [1, 2, 3, 4, 5, 6]}, {}),
            ({"color_palette": [1, 2, 3, 4, 5, 6] + [0] * 762}, {}),
            ({}, {"palette": "file", "palette_file": path}),
            ({}, {"palette": "file", "palette_file": self.path("short.png")}),
            ({}, {"palette": "even"}),
        ):
            table = self.colours(userdata=userdata, options=options)[0]
            if not options or options["palette"] == "file":
                self.assertEqual(table[:2].tolist(), [[1, 2, 3], [4, 5, 6]])
            self.assertEqual(
                len({tuple(colour) for colour in table[[0, 1, 2, 3, 4, 255]].tolist()}), 6
            )
            self.assertEqual(table[255].tolist(), [224, 224, 192])


class Words(OnePage):
    def test_what_is_wrong_with_a_sample_stands_in_its_place(self):
        for scores, words in (
            (np.zeros(1000), "is 1000; expected a map"),
            (np.zeros((300, 2, 2)), "at most 256 classes"),
            (np.full((1, 2, 2), 0.5), "one channel of real numbers"),
        ):
            sample = self.sample(scores, image=np.zeros((2, 2, 3), np.uint8))
            self.assertIn(words, sample["error"])
            self.assertEqual(sample["maps"], [])

    def test_what_nobody_foresaw_stands_there_too(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        view = Visualization(None)
        sample = view.process_data(0, np.zeros((2, 2, 3), np.uint8), 5)
        self.assertIn("could not be shown (TypeError", sample["error"])
        sample = view.process_data(0, None, {"score": np.zeros((2, 2, 2))})
        self.assertIsNone(sample["error"])

    def test_notes(self):
        nan = scores_of(rings(9, 9, 3), 21)
        nan[:, 2:4] = np.nan
        self.assertIn("NaN scores at 18 of 81", self.sample(nan)["notes"][0])
        small = self.sample(np.zeros((21, 4, 5)), image=np.zeros((8, 9, 3), np.uint8))
        self.assertIn("map is 5 x 4 pixels and the image 9 x 8", small["notes"][0])
        vector = self.sample(np.zeros((21, 4, 5)), image=np.zeros((7,)))
        self.assertIsNone(vector["input"])
        self.assertIn("is not a picture", vector["notes"][0])
        self.assertIn(
            "names 21 classes and output &#39;score&#39; has 3", self.page(np.zeros((3, 2, 2)))
        )

    def test_extreme_maps(self):
        for indices, classes in (
            (np.zeros((1, 1), np.uint8), 2),
            (np.zeros((30, 40), np.uint8), 21),
            (np.arange(256, dtype=np.uint8).reshape(16, 16), 256),
        ):
            sample = self.sample(scores_of(indices, classes), {})
            self.assertIsNone(sample["error"])
            self.assertTrue((picture(sample["maps"][0]["mask"]) == indices).all())
        sample = self.sample(np.full((21, 5, 5), np.nan, np.float32))
        self.assertEqual(sample["maps"][0]["legend"][0]["name"], "ignored")
        self.assertIsNone(sample["maps"][0]["score"])

    def test_the_largest_size(self):
        indices = np.zeros((3000, 4000), np.uint8)
        indices[1000:, 500:2500] = 20
        view = Visualization(fake_digits.Dataset(VOC))
        sample = view.process_data(0, np.zeros((3000, 4000, 3), np.uint8), {"map": indices[None]})
        self.assertIsNone(sample["error"])
        self.assertTrue((picture(sample["maps"][0]["mask"]) == indices).all())

    def test_nasty_text_never_reaches_the_html(self):
        userdata = dict(VOC, class_labels=NASTY + ["x"] * (21 - len(NASTY)))
        indices = np.arange(7, dtype=np.uint8)[None].repeat(4, axis=0)
        for name in NASTY:
            html = self.page({name: scores_of(indices, 21)}, userdata, input_id=name)
            self.assertNotIn("<img src=x", html)
            self.assertNotIn("<script>window", html)
            self.assertNotIn("<b>bold", html)
            self.assertEqual(html.count("</script>"), 2)
            sample = samples(html)[0]
            self.assertEqual(sample["id"], " ".join(name.split()))
            got = {row["index"]: row["name"] for row in sample["maps"][0]["legend"]}
            self.assertEqual([got[i] for i in range(7)], NASTY)

    def test_nasty_text_in_the_header_is_escaped(self):
        userdata = dict(VOC, class_labels=NASTY + ["x"] * 14)
        indices = np.arange(7, dtype=np.uint8)[None].repeat(4, axis=0)
        image = np.zeros((4, 7, 3), np.uint8)
        html = fake_digits.test_page(
            fake_digits.Dataset(userdata),
            [(0, image), (1, image)],
            {NASTY[0]: [scores_of(indices, 21)] * 2},
        )
        self.assertNotIn("<img src=x", html)
        self.assertNotIn("<script>window", html)
        self.assertIn("&lt;script&gt;window", html)


class Downloads(OnePage):
    def test_the_json_gives_the_whole_map_back(self):
        indices = rings(31, 17, 8)
        found = self.sample(scores_of(indices, 21))["maps"][0]
        back = np.zeros_like(indices)
        for note in json.loads(found["json"])["annotations"]:
            counts = rle.from_string(note["segmentation"]["counts"])
            back[rle.decode(counts, *note["segmentation"]["size"]) > 0] = note["category_id"]
        self.assertTrue((back == indices).all())


if __name__ == "__main__":
    unittest.main()
