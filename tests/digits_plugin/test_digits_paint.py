"""Outlines, painting and the files that are written."""

from __future__ import absolute_import, division, unicode_literals

import io
import unittest

import numpy as np
from digits_case import Case, rings
from digits_fcn import export, outline, paint, palette
from PIL import Image


def octagon_distance(indices, levels):
    """Border distance by definition: grow by 4 and by 8 neighbours in turn, pixel by pixel."""
    height, width = indices.shape
    four = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    eight = four + [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    out = np.zeros(indices.shape, int)

    def around(y, x, steps):
        near = [(y + dy, x + dx) for dy, dx in steps]
        return [(a, b) for a, b in near if 0 <= a < height and 0 <= b < width]

    every = [(y, x) for y in range(height) for x in range(width)]
    for y, x in every:
        out[y, x] = int(any(indices[p] != indices[y, x] for p in around(y, x, four)))
    for level in range(2, levels + 1):
        steps = four if level % 2 == 0 else eight
        before = out.copy()
        for y, x in every:
            if not before[y, x] and any(before[p] for p in around(y, x, steps)):
                out[y, x] = level
    return out


class Outline(Case):
    def test_equals_the_definition(self):
        for seed, shape in enumerate([(23, 31), (1, 9), (9, 1), (1, 1), (2, 2)]):
            indices = rings(shape[0], shape[1], 5, seed)
            for levels in (1, 2, 6):
                self.assertEqual(
                    outline.border_distance(indices, levels).tolist(),
                    octagon_distance(indices, levels).tolist(),
                )

    def test_one_class_has_none(self):
        self.assertFalse(outline.border_distance(np.full((40, 40), 7, np.uint8)).any())


class Paint(Case):
    def test_fill_outline_and_background(self):
        indices = np.zeros((9, 9), np.uint8)
        indices[2:7, 2:7] = 5
        indices[0, 0] = 255
        rgba = paint.paint(indices, palette.voc(), fill=0.4, outline=1, mask=0.2, background=0)
        self.assertEqual(rgba[4, 4].tolist(), [128, 0, 128, 102])  # inside: filled
        self.assertEqual(rgba[2, 2].tolist(), [128, 0, 128, 255])  # border: opaque
        self.assertEqual(rgba[8, 8].tolist(), [0, 0, 0, 51])  # background: darkened
        self.assertEqual(rgba[0, 0].tolist(), [224, 224, 192, 102])  # ignored: no outline

    def test_overlay_mixes_by_opacity(self):
        indices = rings(20, 30, 4)
        image = np.random.RandomState(0).randint(0, 256, (20, 30, 3)).astype(np.uint8)
        rgba = paint.paint(indices, palette.voc(), 0.3, 2, 0.1, 0).astype(float)
        alpha = rgba[:, :, 3:] / 255
        expected = rgba[:, :, :3] * alpha + image * (1 - alpha)
        got = paint.overlay(image, indices, palette.voc(), 0.3, 2, 0.1, 0)
        self.assertLessEqual(np.abs(got - expected).max(), 0.51)

    def test_inputs_of_all_kinds_become_pictures(self):
        grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
        self.assertEqual(paint.to_rgb(grey).shape, (3, 4, 3))
        self.assertEqual(paint.to_rgb(grey[:, :, None]).shape, (3, 4, 3))
        self.assertEqual(paint.to_rgb(np.zeros((3, 4, 4), np.uint8)).shape, (3, 4, 3))
        stretched = paint.to_rgb(np.array([[-100.0, 100.0]]))
        self.assertEqual(stretched[0, :, 0].tolist(), [0, 255])
        self.assertEqual(paint.to_rgb(grey, (6, 8)).shape, (6, 8, 3))
        self.assertEqual(
            paint.to_rgb(np.full((2, 2), np.nan)).tolist(), np.zeros((2, 2, 3)).tolist()
        )
        for other in (np.zeros(5), np.zeros((3, 4, 9)), np.zeros((2, 3, 4, 5))):
            self.assertIsNone(paint.to_rgb(other))


class Files(Case):
    def test_the_mask_keeps_indices_and_palette(self):
        indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
        for table in (palette.voc(), palette.even(21)):
            for given in (indices, indices[:1, :2], np.full((3, 3), 255, np.uint8)):
                image = Image.open(io.BytesIO(export.paletted_png(given, table)))
                self.assertEqual(image.mode, "P")
                self.assertTrue((np.array(image) == given).all())
                self.assertTrue((palette.of_image(image) == table).all())


if __name__ == "__main__":
    unittest.main()
