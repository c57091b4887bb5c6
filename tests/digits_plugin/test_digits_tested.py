"""Names of the tested images, and which labels they get."""

from __future__ import absolute_import, division, unicode_literals

import io
import json
import unittest

import fake_digits
import numpy as np
from digits_case import VOC_FORM, image_of, label_of, make_voc, paletted, rings, scores_of
from digits_fcn import tested
from digits_fcn.view import Visualization
from page_case import VOC, OnePage, picture, samples
from PIL import Image

ROUTES = "/models/images/generic/infer_"


class Names(OnePage):
    def setUp(self):
        super(Names, self).setUp()
        self.maps = [rings(24, 32, 4, seed) for seed in range(3)]

    def labels(self, *names):
        """Write a label for each name: the first map for the first one, and so on."""
        for name, indices in zip(names, self.maps):
            paletted(indices).save(self.path("labels", name))
        return self.path("labels", "x")[: -len("/x")]

    def shown(self, route, ids, *names, **data):
        """Post to a route; returns the samples and the whole page. Sample i has map i."""
        data["truth_folder"] = self.labels(*names) if names else ""
        image = np.zeros((24, 32, 3), np.uint8)
        html = fake_digits.test_page(
            fake_digits.Dataset(VOC),
            [(input_id, image) for input_id in ids],
            {"score": [scores_of(self.maps[i], 21) for i in range(len(ids))]},
            dict({"palette": "dataset"}, **data),
            path=ROUTES + route,
        )
        return samples(html), html

    def truths(self, found):
        """Return the number of the map that each sample was compared with, None for none."""
        numbers = []
        for sample in found:
            truth = sample["maps"][0]["truth"]
            layers = truth and picture(truth["layers"])[:, :, 0]
            same = [i for i in range(3) if truth and (layers == self.maps[i]).all()]
            numbers.append(same[0] if same else None)
        return numbers

    def upload(self, name, text=""):
        return io.BytesIO(text.encode("utf-8")), name

    def test_one_image_by_its_path_or_upload(self):
        for given in (
            {"image_path": "/some/where/c3.jpg"},
            {"image_path": "http://example.test/a/c3.jpg?size=2#top"},
            {"image_file": "c3.jpg"},
        ):
            for route in ("one", "one.json", "one/json"):
                # The page sends all its fields with every button.
                data = dict(given, image_list=self.upload("list.txt", "a1.jpg\nb2.jpg\n"))
                if "image_file" in given:
                    data["image_file"] = self.upload(given["image_file"])
                found, html = self.shown(route, [0], "a1.png", "b2.png", "c3.png", **data)
                self.assertEqual(self.truths(found), [2], found[0]["notes"])
                self.assertEqual(found[0]["truth_from"], "c3.png")
                self.assertEqual(found[0]["id"], "c3.jpg")
                self.assertNotIn("by order", html)

    def test_file_names_of_all_systems(self):
        for path in ("c3.jpg", "/a/b/c3.jpg", "C:\\a\\c3.jpg", "http://a.test/b/c3.jpg?c=/d#e/f"):
            self.assertEqual(tested.base_name(path), "c3.jpg")
            self.assertEqual(tested.stem(path), "c3")

    def test_one_image_is_never_scored_against_another_ones_label(self):
        for names in (("a1.png", "b2.png"), ("0.png", "1.png"), ("000000000.png", "a.png")):
            self.setUp()
            found, html = self.shown("one", [0], *names, image_path="/x/c3.jpg")
            self.assertEqual(self.truths(found), [None])
            self.assertIn("There is no label for 'c3.jpg'", found[0]["notes"][0])
            self.assertIn("holds 2 label images while 1 is tested", found[0]["notes"][0])
            self.assertNotIn("by order", html[html.rindex("</script>") :])

    def test_many_images_by_the_list(self):
        text = "\ufeffb2.jpg 7\n\n  a1.jpg\r\nno such.jpg\nsub/c3.jpg\n"
        data = {"image_list": self.upload("list.txt", text), "image_folder": "/pictures"}
        # The third image could not be loaded: DIGITS leaves its number out.
        found, _ = self.shown("many", [0, 1, 3], "a1.png", "b2.png", "c3.png", **data)
        self.assertEqual(self.truths(found), [1, 0, 2])
        self.assertEqual([sample["id"] for sample in found], ["b2.jpg", "a1.jpg", "c3.jpg"])
        documents = [json.loads(sample["maps"][0]["json"]) for sample in found]
        names = [document["images"][0]["file_name"] for document in documents]
        self.assertEqual(names, ["b2.jpg", "a1.jpg", "c3.jpg"])

    def test_many_images_some_of_which_have_no_label(self):
        data = {"image_list": self.upload("list.txt", "c3.jpg\nx.jpg\n")}
        found, _ = self.shown("many", [0, 1], "a1.png", "c3.png", **data)
        self.assertEqual(self.truths(found), [1, None])
        self.assertIn("no label for 'x.jpg'", found[1]["notes"][0])

    def test_labels_by_order_only_where_the_counts_agree_and_said(self):
        text = "p.jpg\nq.jpg\nr.jpg\n"
        data = {"image_list": self.upload("list.txt", text)}
        found, html = self.shown("many", [0, 2], "1.png", "2.png", "3.png", **data)
        self.assertEqual(self.truths(found), [0, 2])
        self.assertIn("taken by order", html)
        self.assertEqual(found[1]["truth_from"], "3.png, by order")
        data = {"image_list": self.upload("list.txt", text), "num_test_images": "2"}
        found, html = self.shown("many", [0, 1], "1.png", "2.png", "3.png", **data)
        self.assertEqual(self.truths(found), [None, None])
        self.assertIn("holds 3 label images while 2 are tested", found[0]["notes"][0])
        self.assertNotIn("taken by order", html)

    def test_an_unknown_number_of_images_has_no_order(self):
        for route in ("extension", "db"):
            found, _ = self.shown(route, ["000000000"], "a1.png", db_path="/nowhere")
            self.assertEqual(self.truths(found), [None])
            self.assertIn("is unknown here", found[0]["notes"][0])

    def test_an_image_that_is_tested_sideways_has_no_label(self):
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%s\0\0\0\0\0\0"
        for orientation, truth in ((b"\3", None), (b"\1", 0)):
            image = io.BytesIO()
            with io.open(self.path("a.jpg"), "wb") as f:
                Image.new("RGB", (32, 24)).save(
                    image, "JPEG", exif=exif.replace(b"%s", orientation)
                )
                f.write(image.getvalue())
            for data in (
                {"image_path": self.path("a.jpg")},
                {"image_file": (io.BytesIO(image.getvalue()), "a.jpg")},
            ):
                found, _ = self.shown("one", [0], "a.png", **data)
                self.assertEqual(self.truths(found), [truth])
                if truth is None:
                    self.assertIn("is stored sideways or mirrored", found[0]["notes"][0])

    def test_names_that_fit_twice_are_not_guessed(self):
        data = {"image_list": self.upload("list.txt", "one/a.jpg\ntwo/a.jpg\n")}
        found, _ = self.shown("many", [0, 1], "a.png", "b.png", **data)
        self.assertEqual(self.truths(found), [None, None])
        self.assertIn("several tested images of that name", found[0]["notes"][0])
        self.assertEqual([sample["id"] for sample in found], ["one/a.jpg", "two/a.jpg"])
        found, _ = self.shown("one", [0], "a.png", "a.bmp", image_path="a.jpg")
        self.assertIn("several label images of that name", found[0]["notes"][0])

    def test_the_order_of_a_database_needs_as_many_labels_as_entries(self):
        try:
            import lmdb
        except ImportError:
            self.skipTest("lmdb is not installed; DIGITS brings it")
        path = self.path("db", "x")[: -len("/x")]
        with lmdb.open(path, map_size=1 << 20) as db, db.begin(write=True) as transaction:
            for key in (b"000000000", b"000000001"):
                transaction.put(key, b"")
        keys = [b"000000000", b"000000001"]
        found, html = self.shown("db", keys, "a1.png", "b2.png", db_path=path)
        self.assertEqual(self.truths(found), [0, 1])
        self.assertIn("taken by order", html)
        found, _ = self.shown("db", keys, "a1.png", "b2.png", "c3.png", db_path=path)
        self.assertEqual(self.truths(found), [None, None])

    def test_images_picked_in_our_inference_form(self):
        voc = make_voc(self.path("voc"), names="abcd", val="bcd")
        dataset, _, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        for data, names in (({"pick": ["d", "b"]}, "db"), ({"pick_count": "2"}, "bc"), ({}, "b")):
            html = fake_digits.test_page(
                dataset,
                [("%09d" % i, image_of(voc, name)) for i, name in enumerate(names)],
                {"score": [scores_of(self.maps[0], 21)] * len(names)},
                dict({"palette": "voc", "data_extension_id": "fcn-voc-segmentation"}, **data),
                path=ROUTES + "extension",
            )
            found = samples(html)
            self.assertEqual([sample["id"] for sample in found], list(names))
            for sample, name in zip(found, names):
                layers = picture(sample["maps"][0]["truth"]["layers"])[:, :, 0]
                self.assertTrue((layers == label_of(voc, name)).all())

    def test_a_request_of_another_kind_costs_only_the_names(self):
        self.assertEqual(tested.from_request().paths, [])
        for path in ("/", ROUTES + "many", ROUTES + "one"):
            with fake_digits.app().test_request_context(path, method="POST", data={}):
                self.assertEqual(tested.from_request().paths, [])
        data = {"image_list": self.upload("l", "a\nb\n"), "num_test_images": "many"}
        with fake_digits.app().test_request_context(ROUTES + "many", method="POST", data=data):
            view = Visualization(fake_digits.Dataset(VOC))
        self.assertEqual(view.tested.paths, [])


if __name__ == "__main__":
    unittest.main()
