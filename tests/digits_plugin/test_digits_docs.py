"""The code in the docs runs, and the pictures that they show exist."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import re
import unittest

import digits_case
from digits_case import Case

DOCS = os.path.join(digits_case.ROOT, "docs")


@unittest.skipUnless(os.path.isdir(DOCS), "the docs are not part of this copy of the tree")
class Docs(Case):
    def setUp(self):
        super(Docs, self).setUp()
        with io.open(os.path.join(DOCS, "digits_plugin.md"), encoding="utf-8") as f:
            self.text = f.read()

    def test_the_python_in_them_runs(self):
        (code,) = re.findall(r"```python\n(.*?)```", self.text, re.S)
        scope = {}
        exec(compile(code, "docs/digits_plugin.md", "exec"), scope)
        self.assertEqual(scope["rgba"].shape, (48, 64, 4))
        self.assertEqual(scope["document"]["images"][0]["width"], 64)

    def test_every_screenshot_is_there_and_used(self):
        folder = os.path.join(DOCS, "screenshots", "digits_plugin")
        used = set(re.findall(r"screenshots/digits_plugin/(\w+\.png)", self.text))
        self.assertEqual(used, set(os.listdir(folder)))


if __name__ == "__main__":
    unittest.main()
