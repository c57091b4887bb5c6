"""Masks without the page: python -m digits_fcn."""

from __future__ import absolute_import, division, unicode_literals

import io
import json
import os
import subprocess
import sys
import unittest

import numpy as np
from digits_case import PLUGIN, Case, paletted, rings, scores_of
from digits_fcn import palette
from PIL import Image


class Command(Case):
    def run_it(self, *arguments, **expected):
        """Run the command in its own process, without DIGITS; returns its output as text."""
        environment = dict(os.environ, PYTHONIOENCODING=str("utf-8"))
        environment["PYTHONPATH"] = os.pathsep.join([PLUGIN, environment.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "digits_fcn"] + list(arguments)
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = process.communicate()[0].decode("utf-8")
        self.assertEqual(process.returncode, expected.get("status", 0), output)
        return output

    def setUp(self):
        super(Command, self).setUp()
        self.indices = rings(20, 30, 5)
        self.scores = scores_of(self.indices, 21)
        self.out = os.path.dirname(self.path("out", "x"))

    def mask(self, name):
        image = Image.open(os.path.join(self.out, name))
        self.assertEqual(image.mode, "P")
        return np.array(image)

    def test_mask_overlay_map_and_scores(self):
        np.savez(self.path("s.npz"), score=self.scores)
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(self.path("i.png"))
        paletted(self.indices).save(self.path("t.png"))
        names = self.write("background\n" + "\n".join("n\u00e9%d" % i for i in range(1, 21)), "n")
        output = self.run_it(
            self.path("s.npz"), "--out", self.out, "--image", self.path("i.png"), "--names", names,
            "--truth", self.path("t.png"),
        )  # fmt: skip
        self.assertIn("mean IoU 1.0000", output)
        self.assertIn("n\u00e94", output)
        self.assertTrue((self.mask("s_mask.png") == self.indices).all())
        self.assertEqual(Image.open(os.path.join(self.out, "s_overlay.png")).size, (30, 20))
        with io.open(os.path.join(self.out, "s_map.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f)["categories"][4]["name"], "n\u00e94")

    def test_the_json_of_digits(self):
        answer = {"outputs": {"score": self.scores[None].tolist()}}
        path = self.write(json.dumps(answer), "one.json")
        self.run_it(path, "--out", self.out, "--palette", "even")
        self.assertTrue((self.mask("one_mask.png") == self.indices).all())
        image = Image.open(os.path.join(self.out, "one_mask.png"))
        self.assertTrue((palette.of_image(image) == palette.even(21)).all())
        many = {"outputs": {"a/b.jpg": {"score": self.scores.tolist()}}}
        self.run_it(self.write(json.dumps(many), "many.json"), "--out", self.out)
        self.assertTrue((self.mask("many_a_b.jpg_mask.png") == self.indices).all())

    def test_batches_and_several_outputs(self):
        np.savez(self.path("b.npz"), x=np.stack([self.scores] * 2), y=np.zeros((2, 3, 20, 30)))
        self.run_it(self.path("b.npz"), "--out", self.out)
        made = sorted(n for n in os.listdir(self.out) if n.endswith("mask.png"))
        self.assertEqual(made, ["b_%d_%s_mask.png" % (i, o) for i in (0, 1) for o in "xy"])
        self.run_it(self.path("b.npz"), "--out", self.out, "--output", "x")
        self.assertIn("b_1_mask.png", os.listdir(self.out))

    def test_words_and_status(self):
        np.save(self.path("v.npy"), np.zeros(7))
        np.save(self.path("o.npy"), np.array([{}], dtype=object))
        self.write("[1]", "list.json")
        for path, more, words in (
            (self.path("v.npy"), [], "is 7; expected a map"),
            (self.path("o.npy"), [], "cannot be read as scores"),
            (self.path("list.json"), [], "cannot be read as scores"),
            (self.path("none.npz"), [], "cannot be read as scores"),
            (self.path("v.npy"), ["--output", "x"], "no output 'x'; there are: score"),
            (self.path("v.npy"), ["--names", "/no"], "/no cannot be read"),
        ):
            output = self.run_it(path, "--out", self.out, *more, status=2)
            self.assertIn(words, output)
            self.assertNotIn("Traceback", output)


if __name__ == "__main__":
    unittest.main()
