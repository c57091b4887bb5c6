"""Where the visualization finds ground truth, and what it reports when it cannot."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import unittest

import fake_digits
import numpy as np
from digits_case import image_of, label_of, make_voc, paletted, rings, scores_of
from digits_fcn.view import Visualization
from page_case import VOC, OnePage, picture, samples
from PIL import Image


class GroundTruth(OnePage):
    def setUp(self):
        super(GroundTruth, self).setUp()
        self.indices = rings(24, 32, 4)
        self.scores = scores_of(self.indices, 21)
        self.truth = self.indices.copy()
        self.truth[:12][self.truth[:12] == 1] = 2
        self.truth[0] = 255

    def check(self, sample, where=None):
        found = sample["maps"][0]
        known = self.truth != 255
        right = (self.truth == self.indices)[known].mean()
        self.assertAlmostEqual(found["truth"]["accuracy"], right)
        self.assertTrue((picture(found["truth"]["layers"])[:, :, 0] == self.truth).all())
        one = (self.truth == 1) & known, (self.indices == 1) & known
        iou = {row["index"]: row["iou"] for row in found["legend"]}
        expected = (one[0] & one[1]).sum() / float((one[0] | one[1]).sum())
        self.assertAlmostEqual(iou[1], expected)
        self.assertIsNone(iou[255])
        if where:
            self.assertEqual(sample["truth_from"], where)

    def test_from_an_output_called_label(self):
        sample = self.sample({"score": self.scores, "label": self.truth[None].astype(float)})
        self.assertEqual(len(sample["maps"]), 1)
        self.check(sample, "blob label")

    def test_handed_over_by_the_host(self):
        view = Visualization(fake_digits.Dataset(VOC))
        image = np.zeros((24, 32, 3), np.uint8)
        self.check(view.process_data(0, image, {"score": self.scores}, ground_truth=self.truth))

    def test_from_a_folder_by_the_id_of_another_host(self):
        paletted(self.truth).save(self.path("labels", "b.png"))
        paletted(self.truth).save(self.path("labels", "000000007.png"))
        options = {"truth_folder": os.path.dirname(self.path("labels", "x"))}
        for input_id, where in (
            ("some/where/b.jpg", "b.png"),
            ("000000007", "000000007.png"),
            (b"000000007", "000000007.png"),
        ):
            self.check(self.sample(self.scores, options=options, input_id=input_id), where)
        for input_id in (7, 0, "000000000"):
            sample = self.sample(self.scores, options=options, input_id=input_id)
            self.assertIn("There is no label for '%s'" % input_id, sample["notes"][0])
            self.assertIsNone(sample["maps"][0]["truth"])

    def test_an_empty_folder_is_told(self):
        self.path("labels", "x")
        options = {"truth_folder": self.path("labels", "x")[: -len("/x")]}
        self.assertIn("holds no label image", self.page(self.scores, options=options))

    def test_from_a_dataset_of_the_data_extension_by_its_pixels(self):
        folder = make_voc(self.path("voc"), names="abcd", val="bcd")
        form = {"source": folder, "train_set": "train", "val_set": "val", "label_kind": "auto"}
        dataset, _, _ = fake_digits.create_dataset(form)
        self.truth = label_of(folder, "c")
        html = fake_digits.test_page(
            dataset,
            [(0, image_of(folder, "c")), (1, np.zeros((24, 32, 3), np.uint8))],
            {"score": [self.scores, self.scores]},
        )
        found, unknown = samples(html)
        self.check(found, "c")
        self.assertIsNone(unknown["maps"][0]["truth"])

    def test_from_the_validation_database(self):
        try:
            import lmdb
        except ImportError:
            self.skipTest("lmdb is not installed; DIGITS brings it")
        image = np.random.RandomState(0).randint(0, 256, (24, 32, 3)).astype(np.uint8)

        def varint(n):
            return bytearray([n]) if n < 128 else bytearray([n & 127 | 128]) + varint(n >> 7)

        def datum(array, encoded):
            if encoded:
                out = io.BytesIO()
                Image.fromarray(array).save(out, "PNG")
                body = out.getvalue()
            else:
                planes = array[None] if array.ndim == 2 else array[:, :, ::-1].transpose(2, 0, 1)
                body = planes.tobytes()
            raw = bytearray()
            for number, value in enumerate((array.size // 768,) + array.shape[:2], 1):
                raw += bytearray([number << 3]) + varint(value)
            raw += bytearray([0x22]) + varint(len(body)) + bytearray(body) + bytearray([0x28, 0])
            return bytes(raw + bytearray([0x38, int(encoded)]))

        for encoded in (True, False):
            paths = [self.path(str(encoded), part) for part in ("features", "labels")]
            for path, array in zip(paths, (image, self.truth)):
                with lmdb.open(path, map_size=1 << 20) as db, db.begin(write=True) as t:
                    t.put(b"000000007", datum(array, encoded))
            dataset = fake_digits.Dataset(VOC)
            dataset.get_feature_db_path = lambda stage, paths=paths: paths[0]
            dataset.get_label_db_path = lambda stage, paths=paths: paths[1]
            view = Visualization(dataset)
            self.check(view.process_data(b"000000007", image, {"score": self.scores}))
            other = view.process_data("000000007", image + 1, {"score": self.scores})
            self.assertIsNone(other["maps"][0]["truth"])

    def test_a_stage_that_was_never_made_has_no_ground_truth(self):
        dataset = fake_digits.Dataset(VOC)
        dataset.get_feature_db_path = dataset.get_label_db_path = lambda stage: None
        image = np.zeros((24, 32, 3), np.uint8)
        sample = Visualization(dataset).process_data(0, image, {"score": self.scores})
        self.assertIsNone(sample["maps"][0]["truth"])
        self.assertEqual(sample["notes"], [])

    def test_words(self):
        for truth, words in (
            (self.truth[:, :5], "ground truth is 5 x 24 pixels"),
            (np.full((24, 32), 30), "class index 30 at 768 pixels"),
            (np.full((24, 32), 300.0), "class indices from 300 to 300"),
            (np.full((24, 32), 0.5), "real numbers"),
        ):
            sample = self.sample({"score": self.scores, "label": truth[None]})
            self.assertIn(words, sample["notes"][0])
            self.assertIsNone(sample["maps"][0]["truth"])
        html = self.page(self.scores, options={"truth_folder": "/no/such"})
        self.assertIn("Ground truth is left out.", html)


if __name__ == "__main__":
    unittest.main()
