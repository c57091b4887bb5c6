"""The metadata for pip, and sources that stay within Python 2.7."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import subprocess
import sys
import unittest

from digits_case import PLUGIN, ROOT, Case


class Install(Case):
    def test_entry_points_lead_to_the_classes(self):
        copy = self.path("copy", "x")
        copy = os.path.dirname(copy)
        command = [sys.executable, "setup.py", "--quiet", "egg_info", "--egg-base", copy]
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.Popen(
            command, cwd=PLUGIN, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = done.communicate()[0]
        self.assertEqual(done.returncode, 0, output)
        with io.open(os.path.join(copy, "digits_fcn.egg-info", "entry_points.txt")) as f:
            text = f.read().replace(" ", "")
        for group, line in (
            ("digits.plugins.view", "class=digits_fcn.view:Visualization"),
            ("digits.plugins.data", "class=digits_fcn.data:DataIngestion"),
        ):
            self.assertIn("[%s]\n%s\n" % (group, line), text)
            module, name = line.split("=")[1].split(":")
            self.assertTrue(hasattr(__import__(str(module), fromlist=[str(name)]), name))

    def test_templates_are_part_of_it(self):
        with io.open(os.path.join(PLUGIN, "setup.py"), encoding="utf-8") as f:
            self.assertIn("templates/*", f.read())

    def test_nothing_of_ours_is_imported(self):
        for folder, _, files in os.walk(os.path.join(PLUGIN, "digits_fcn")):
            for name in files:
                if name.endswith(".py"):
                    with io.open(os.path.join(folder, name), encoding="utf-8") as f:
                        text = f.read()
                    for other in ("fcnkit", "caffeformat", "torchcaffe", "pickle.load"):
                        self.assertNotIn("import " + other, text, name)
                        self.assertNotIn("from " + other, text, name)

    @unittest.skipIf(sys.version_info[0] == 2, "the interpreter itself is the better check")
    def test_syntax_stays_within_python_27(self):
        import static_py27

        for path in static_py27.sources():
            with io.open(path, encoding="utf-8") as f:
                self.assertEqual(static_py27.problems(f.read()), [], os.path.relpath(path, ROOT))

    @unittest.skipIf(sys.version_info[0] == 2, "the interpreter itself is the better check")
    def test_the_static_check_finds_what_it_should(self):
        import static_py27

        for text in (
            "f'{x}'",
            "def f(*, a): pass",
            "def f(a: int): pass",
            "raise A from b",
            "x = [*y]",
            "super().a()",
            "f(*a, b)",
            "f(\n    a,\n    **b,\n)",
            "async def f(): pass",
            "x = 'a\u00e9'",
            "x = 1_000",
        ):
            self.assertTrue(static_py27.problems(text), text)


if __name__ == "__main__":
    unittest.main()
