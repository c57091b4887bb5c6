"""The form that picks validation images: whose datasets have it, and what is tested together."""

from __future__ import absolute_import, division, unicode_literals

import os
import sys
import types
import unittest

import fake_digits
from digits_case import VOC_FORM, Case, image_of, make_voc
from digits_fcn.data import DataIngestion


class InferenceForm(Case):
    def make(self, **sizes):
        """Make a dataset whose images a to f are validation images; returns it and its folder."""
        voc = make_voc(self.path("voc"), names="abcdef", train="ab", val="abcdef")
        for name, size in sizes.items():
            other = make_voc(self.path("other"), names="abcdef", size=size)
            for part in ("JPEGImages", "SegmentationClass"):
                place = os.path.join(part, name + ".png")
                os.rename(os.path.join(other, place), os.path.join(voc, place))
        dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        self.assertEqual(errors, {})
        return dataset, voc

    def names_of(self, dataset, voc, **data):
        """Post the form; returns the names of the tested images."""
        pairs, errors = fake_digits.create_inference_db(dataset, data)
        self.assertEqual(errors, {})
        images = {image_of(voc, name).tobytes(): name for name in "abcdef"}
        return "".join(images[f.transpose(1, 2, 0).tobytes()] for f, _ in pairs)

    def test_one_image_by_default(self):
        dataset, voc = self.make(b=(8, 9))
        html = fake_digits.inference_form(dataset)
        self.assertIn('value="1"', html)
        self.assertIn('value="d"', html)
        self.assertEqual(self.names_of(dataset, voc), "a")
        self.assertEqual(self.names_of(dataset, voc, pick_count="1"), "a")
        self.assertEqual(self.names_of(dataset, voc, pick="b"), "b")

    def test_several_images_of_one_size(self):
        dataset, voc = self.make(b=(8, 9), d=(8, 9))
        self.assertEqual(self.names_of(dataset, voc, pick=["e", "c"], pick_count="10"), "ec")
        self.assertEqual(self.names_of(dataset, voc, pick_count="3"), "ace")
        self.assertEqual(self.names_of(dataset, voc, pick=["d", "b"]), "db")
        for data, field, words in (
            ({"pick": ["c", "b", "e"]}, "pick", "of one size, and 'c' is 32 x 24"),
            ({"pick": ["c", "b", "e"]}, "pick", "'b' is 9 x 8. Pick one image"),
            ({"pick_count": "5"}, "pick_count", "4 validation images are of the size"),
            ({"pick_count": "0"}, "pick_count", "between"),
            ({"pick": ["x"]}, "pick", "x"),
        ):
            pairs, errors = fake_digits.create_inference_db(dataset, data)
            self.assertIsNone(pairs)
            self.assertEqual(list(errors), [field])
            self.assertIn(words, errors[field][0])

    def test_several_images_have_the_size_of_the_networks_input(self):
        dataset, voc = self.make(b=(8, 9), d=(8, 9))
        deploy = 'input: "data"\ninput_shape {\n dim: 1\n dim: 3\n dim: %d\n dim: %d\n}\nlayer {\n'
        job = types.ModuleType(str("job"))
        job.train_task, job.deploy_file, job.path = lambda: job, "deploy.prototxt", self.path
        routing = sys.modules[str("digits.utils.routing")] = types.ModuleType(str("routing"))
        self.addCleanup(sys.modules.pop, "digits.utils.routing")
        routing.job_from_request = lambda: job
        self.write(deploy % (8, 9), "deploy.prototxt")
        self.assertEqual(self.names_of(dataset, voc), "a")
        self.assertEqual(self.names_of(dataset, voc, pick="c"), "c")
        self.assertEqual(self.names_of(dataset, voc, pick_count="2"), "bd")
        for data, words in (
            ({"pick": ["a", "c"]}, "network's input, 9 x 8 (width x height in pixels); 'a' is 32"),
            ({"pick_count": "3"}, "2 validation images are of the size"),
        ):
            _, errors = fake_digits.create_inference_db(dataset, data)
            self.assertIn(words, list(errors.values())[0][0])
        self.write("input_dim: 1 input_dim: 3 input_dim: 24 input_dim: 32", "deploy.prototxt")
        self.assertEqual(self.names_of(dataset, voc, pick_count="3"), "ace")
        self.write("no shape", "deploy.prototxt")
        self.assertEqual(self.names_of(dataset, voc, pick_count="3"), "ace")

    def test_an_image_that_was_lost_is_named(self):
        dataset, voc = self.make()
        os.remove(os.path.join(voc, "JPEGImages", "b.png"))
        _, errors = fake_digits.create_inference_db(dataset, {"pick": ["a", "b"]})
        self.assertIn("There is no file JPEGImages/b", errors["pick"][0])

    def test_datasets_of_other_extensions_have_digits_own_form(self):
        for userdata in ({}, {"feature_folder": "x", "class_labels": ["a"], "source": ""}):
            dataset = fake_digits.Dataset(dict(userdata))
            self.assertEqual(fake_digits.inference_form(dataset), "")
            pairs, errors = fake_digits.create_inference_db(dataset, {"pick_count": "1"})
            self.assertIsNone(pairs)
            self.assertIn("not made by the VOC segmentation", errors["data_extension_id"][0])
            extension = DataIngestion(**dataset.extension_userdata)
            self.assertEqual(extension.itemize_entries("test_db"), [])

    def test_digits_5_keeps_its_test_one(self):
        import digits  # the stand-in, whose place digits_case adds to the path

        dataset, _ = self.make()
        self.addCleanup(sys.modules.pop, "digits.dataset.views", None)
        self.addCleanup(digits.__dict__.pop, "__version__", None)
        for version, shown in (("5.0.0", False), ("5.1-dev", False), ("6.1.1", True)):
            digits.__version__ = version
            self.assertEqual(bool(fake_digits.inference_form(dataset)), shown, version)
        del digits.__version__
        self.addCleanup(sys.modules.pop, "digits.version", None)
        module = sys.modules[str("digits.version")] = types.ModuleType(str("version"))
        for version, shown in (("5.0.0", False), ("6.0.0-rc.1", True)):
            module.__version__ = version
            self.assertEqual(bool(fake_digits.inference_form(dataset)), shown, version)
        # 5.1-dev is the version of all that came between 5.0 and 6.0, so that its pages count.
        digits.__version__ = "5.1-dev"
        views = sys.modules[str("digits.dataset.views")] = types.ModuleType(str("views"))
        self.assertEqual(fake_digits.inference_form(dataset), "")
        views.inference_form = None
        self.assertIn('value="d"', fake_digits.inference_form(dataset))


if __name__ == "__main__":
    unittest.main()
