"""Class maps computed from network outputs."""

from __future__ import absolute_import, division, unicode_literals

import unittest

import numpy as np
from digits_case import Case, rings, scores_of
from digits_fcn import classmap


class Argmax(Case):
    def test_equals_numpys(self):
        for classes, height, width in ((2, 1, 1), (21, 37, 50), (256, 9, 8), (5, 1, 700)):
            scores = np.random.RandomState(classes).standard_normal((classes, height, width))
            for kind in (np.float32, np.float64, np.float16):
                given = scores.astype(kind)
                indices, best = classmap.argmax(given)
                self.assertTrue((indices == given.argmax(axis=0)).all())
                self.assertTrue((best == given.max(axis=0)).all())
                self.assertEqual(indices.dtype, np.uint8)

    def test_of_equal_scores_the_lowest_class_wins(self):
        indices, _ = classmap.argmax(np.ones((256, 3, 3), np.float32))
        self.assertTrue((indices == 0).all())

    def test_the_last_of_256_classes(self):
        scores = np.zeros((256, 1, 2), np.float32)
        scores[255, 0, 1] = 1
        self.assertEqual(classmap.argmax(scores)[0].tolist(), [[0, 255]])

    def test_nan_becomes_ignored(self):
        scores = scores_of(rings(20, 30, 4), 4)
        scores[2, 5, 6] = np.nan
        indices, _ = classmap.argmax(scores)
        self.assertEqual(indices[5, 6], 255)
        self.assertEqual((indices == 255).sum(), 1)

    def test_infinite_scores_are_scores(self):
        scores = np.full((3, 1, 2), -np.inf, np.float32)
        scores[1, 0, 1] = np.inf
        self.assertEqual(classmap.argmax(scores)[0].tolist(), [[0, 1]])


class Confidence(Case):
    def test_is_the_winners_softmax(self):
        scores = np.random.RandomState(0).standard_normal((6, 40, 30)).astype(np.float32)
        found = classmap.class_map("score", scores)
        e = np.exp(scores.astype(np.float64))
        expected = (e.max(axis=0) / e.sum(axis=0)) * 255
        self.assertLess(np.abs(found.confidence - expected).max(), 0.51)

    def test_probabilities_are_used_as_they_are(self):
        p = np.zeros((2, 2, 2), np.float32)
        p[0], p[1] = 0.8, 0.2
        self.assertEqual(classmap.class_map("prob", p).confidence.tolist(), [[204, 204]] * 2)

    def test_large_scores_do_not_overflow(self):
        scores = np.zeros((3, 2, 2), np.float32)
        scores[1] = 1e30
        self.assertTrue((classmap.class_map("s", scores).confidence == 255).all())


class Maps(Case):
    def test_a_map_that_already_is_one(self):
        for blob in (np.array([[0, 3], [255, -1]]), np.array([[[0.0, 3.0], [255.0, -1.0]]])):
            found = classmap.class_map("map", blob)
            self.assertEqual(found.indices.tolist(), [[0, 3], [255, 255]])
            self.assertIsNone(found.confidence)

    def test_two_outputs_come_in_the_order_of_their_names(self):
        maps, notes = classmap.class_maps(
            {"score_sem": np.zeros((33, 4, 5)), "score_geo": np.zeros((3, 4, 5))}
        )
        self.assertEqual([m.name for m in maps], ["score_geo", "score_sem"])
        self.assertEqual([m.classes for m in maps], [3, 33])
        self.assertEqual(notes, [])

    def test_a_batch_of_one_is_taken_apart(self):
        self.assertEqual(classmap.class_map("s", np.zeros((1, 3, 4, 5))).indices.shape, (4, 5))

    def test_outputs_that_are_no_maps_are_left_out_with_a_note(self):
        maps, notes = classmap.class_maps({"score": np.zeros((3, 4, 5)), "loss": np.float32(0.5)})
        self.assertEqual([m.name for m in maps], ["score"])
        self.assertIn("'loss' is a single number", notes[0])

    def test_all_nan_is_shown_and_said(self):
        found = classmap.class_map("s", np.full((3, 4, 5), np.nan, np.float32))
        self.assertTrue((found.indices == 255).all())
        self.assertIn("NaN scores at every pixel", found.notes[0])

    def test_sizes_at_the_ends(self):
        for shape in ((2, 1, 1), (256, 1, 1), (2, 1, 4000), (2, 3000, 1)):
            self.assertEqual(classmap.class_map("s", np.zeros(shape)).indices.shape, shape[1:])


class Refusals(Case):
    def test_each_says_what_was_found(self):
        nan = np.zeros((256, 2, 2), np.float32)
        nan[0, 0, 0] = np.nan
        cases = [
            (np.zeros(1000), ["'x' is 1000;", "C x H x W"]),
            (np.zeros((2, 3, 4, 5)), ["2 x 3 x 4 x 5"]),
            (np.zeros((257, 2, 2)), ["257 x 2 x 2", "256 classes"]),
            (np.zeros((2, 0, 5)), ["2 x 0 x 5"]),
            (np.array([["a"]]), ["expected numbers"]),
            (np.full((1, 2, 2), 0.5), ["one channel of real numbers"]),
            (np.full((1, 2, 2), np.inf), ["one channel of real numbers"]),
            (np.full((1, 2, 2), 300), ["class indices from 300 to 300"]),
            (nan, ["256 classes", "NaN"]),
            (np.broadcast_to(np.float32(0), (2, 5000, 4000)), ["limits are 16777216 pixels"]),
            (np.broadcast_to(np.float32(0), (256, 2000, 2000)), ["and 268435456 scores"]),
        ]
        for blob, words in cases:
            with self.assert_words(*words):
                classmap.class_maps({"x": blob})

    def test_no_output_at_all(self):
        with self.assert_words("no output"):
            classmap.class_maps({})


if __name__ == "__main__":
    unittest.main()
