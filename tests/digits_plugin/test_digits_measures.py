"""Palette, IoU and run lengths against the vectors that fcnkit is tested with, too."""

from __future__ import absolute_import, division, unicode_literals

import unittest

import numpy as np
from digits_case import Case, rings, vectors
from digits_fcn import even_palette, export, metrics, palette, rle
from PIL import Image


class Palette(Case):
    def test_voc_equals_the_vectors(self):
        for case in vectors("palette.json"):
            self.assertEqual(palette.voc()[case["index"]].tolist(), case["rgb"])

    def test_even_colours_are_apart_and_keep_their_order(self):
        self.assertEqual(palette.even(1)[0].tolist(), [0, 0, 0])
        few, many = palette.even(21), palette.even(256)
        self.assertTrue((few[:21] == many[:21]).all())
        self.assertEqual(len({tuple(c) for c in many.tolist()}), 256)

        def closest(table):
            place = even_palette.oklab(table)
            gaps = np.sqrt(((place[:, None] - place[None]) ** 2).sum(axis=2))
            return gaps[~np.eye(len(place), dtype=bool)].min()

        # VOC's bits make pairs such as two dark greens; the even ones are farther apart.
        self.assertGreater(closest(few[:21]), 1.3 * closest(palette.voc()[:21]))

    def test_reads_text_and_paletted_images(self):
        text = self.write("# two classes\n0 0 0 background\n\n255,128, 0 cat\n", "map.txt")
        self.assertEqual(palette.read(text)[:3].tolist(), [[0, 0, 0], [255, 128, 0], [0, 0, 0]])
        self.assertEqual(palette.read(text)[255].tolist(), [224, 224, 192])
        image = Image.fromarray(np.zeros((2, 2), np.uint8))
        image.putpalette(palette.even(30).tobytes())
        image.save(self.path("p.png"))
        self.assertTrue((palette.read(self.path("p.png")) == palette.even(30)).all())

    def test_words_for_bad_files(self):
        with self.assert_words("cannot be read"):
            palette.read(self.path("none.txt"))
        for text in ("0 0\n", "0 0 256\n", "red green blue\n", "-1 0 0\n"):
            with self.assert_words("Line 1 of", "three whole numbers"):
                palette.read(self.write(text, "bad.txt"))
        with self.assert_words("has 0 colours"):
            palette.read(self.write("\n", "bad.txt"))
        Image.new("RGB", (2, 2)).save(self.path("rgb.png"))
        with self.assert_words("mode RGB without a palette"):
            palette.read(self.path("rgb.png"))

    def test_words_for_bad_lists(self):
        for values in ([], [1, 2], list(range(771)), [0, 0, 256], [0, 0, 0.5], ["a"] * 3, 7):
            with self.assert_words("The dataset's palette"):
                palette.from_list(values)
        self.assertEqual(palette.from_list([9, 8, 7])[0].tolist(), [9, 8, 7])


class Iou(Case):
    def test_equals_the_vectors(self):
        for case in vectors("iou.json"):
            truth = np.array(case["truth"], np.uint8)
            counts = metrics.confusion(
                truth, np.array(case["predicted"], np.uint8), case["classes"]
            )
            self.assertEqual(counts[:, :-1].tolist(), case["confusion"])
            self._same(metrics.iou(counts).tolist(), case["iou"])
            self._same([metrics.mean_iou(counts)], [case["mean_iou"]])
            self._same([metrics.pixel_accuracy(counts)], [case["pixel_accuracy"]])

    def _same(self, ours, theirs):
        for one, other in zip(ours, theirs):
            if other is None:
                self.assertTrue(np.isnan(one))
            else:
                self.assertAlmostEqual(one, other, 12)

    def test_an_ignored_prediction_is_a_miss(self):
        counts = metrics.confusion(np.array([[0, 1]], np.uint8), np.array([[255, 1]], np.uint8), 2)
        self.assertEqual(metrics.iou(counts).tolist(), [0, 1])

    def test_words(self):
        with self.assert_words("2 x 1 pixels", "1 x 2"):
            metrics.confusion(np.zeros((1, 2), np.uint8), np.zeros((2, 1), np.uint8), 2)
        with self.assert_words("class index 7 at 1 pixels", "3 classes (0 to 2)"):
            metrics.confusion(np.array([[7]], np.uint8), np.zeros((1, 1), np.uint8), 3)


class RunLengths(Case):
    def test_equal_the_vectors(self):
        for case in vectors("rle.json"):
            mask = np.array(case["mask"], np.uint8)
            self.assertEqual(rle.encode(mask).tolist(), case["counts"], case["name"])
            self.assertEqual(rle.to_string(case["counts"]), case["string"], case["name"])
            self.assertEqual(rle.from_string(case["string"]), case["counts"], case["name"])
            self.assertEqual(rle.decode(case["counts"], *case["size"]).tolist(), case["mask"])

    def test_a_map_can_be_read_back(self):
        indices = rings(50, 41, 9)
        indices[3, 4:9] = 255
        document = export.coco(indices, palette.voc())
        back = np.zeros_like(indices)
        for note in document["annotations"]:
            mask = rle.decode(rle.from_string(note["segmentation"]["counts"]), 50, 41)
            back[mask > 0] = note["category_id"]
            rows, columns = np.nonzero(indices == note["category_id"])
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            self.assertEqual(note["area"], len(rows))
            self.assertEqual(note["bbox"], box)
        self.assertTrue((back == indices).all())
        self.assertEqual(document["categories"][-1]["name"], "ignored")

    def test_boxes(self):
        for mask, box in (
            ([[0, 1, 0], [0, 1, 0], [0, 0, 0]], [1, 0, 1, 2]),
            ([[0, 0, 0], [0, 0, 1], [1, 1, 1]], [0, 1, 3, 2]),
            ([[1, 1], [1, 1]], [0, 0, 2, 2]),
        ):
            counts = rle.encode(np.array(mask))
            self.assertEqual(export.bounding_box(counts, len(mask)), box)

    def test_words_for_broken_strings(self):
        with self.assert_words("not part of"):
            rle.from_string("!")
        with self.assert_words("ends in the middle"):
            rle.from_string("P")
        with self.assert_words("add up to 5", "2 x 2"):
            rle.decode([5], 2, 2)


if __name__ == "__main__":
    unittest.main()
