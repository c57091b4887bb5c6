"""Faults of lists, labels, palettes and options, each at its field before a job starts."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import unittest

import fake_digits
import numpy as np
from digits_case import VOC_FORM, Case, label_of, make_voc, paletted
from digits_fcn import checks, palette
from PIL import Image

NAMES = "abcdefgh"


class Checks(Case):
    def setUp(self):
        super(Checks, self).setUp()
        self.voc = make_voc(self.path("voc"), names=NAMES, train="abcde", val="fgh")

    def fault(self, field, *words, **values):
        """Post the form; the only field with errors has to be `field`, with these words."""
        data = dict(VOC_FORM, source=self.voc, **values)
        dataset, errors, html = fake_digits.create_dataset(data)
        self.assertIsNone(dataset)
        self.assertEqual(sorted(errors), [field])
        for word in words:
            self.assertIn(word, " ".join(errors[field]))
        self.assertIn("has-error", html)

    def fine(self, **values):
        dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=self.voc, **values))
        self.assertEqual(errors, {})
        return dataset

    def label(self, name, image):
        image.save(os.path.join(self.voc, "SegmentationClass", name + ".png"))

    def test_a_fault_of_any_label_stands_at_the_field(self):
        table = palette.voc()
        table[1] = (1, 2, 3)
        ones = np.ones((24, 32), np.uint8)
        rgb = np.zeros((24, 32, 3), np.uint8)
        rgb[3, 4] = (1, 2, 3)
        clear = Image.fromarray(np.zeros((24, 32, 4), np.uint8))
        faults = (
            (paletted(ones, table), {}, None, ["(1, 2, 3) for class 1", "(128, 0, 0)"]),
            (paletted(77 * ones), {}, "class_names_file", ["class index 77 at 768 pixels", "21"]),
            (paletted(ones[:4, :5]), {}, None, ["is 5 x 4 pixels and its image 32 x 24"]),
            (Image.fromarray(rgb), {}, "colour_map_file", ["(1, 2, 3) at x=4, y=3"]),
            (Image.fromarray(rgb), {"label_kind": "indexed"}, "label_kind", ["RGB image"]),
            (clear, {}, None, ["RGBA", "without transparency"]),
        )
        for name, field in (("a", "train_set"), ("d", "train_set"), ("h", "val_set")):
            before = label_of(self.voc, name)
            for image, values, other, words in faults:
                if name == "a" and "(1, 2, 3) for class 1" in words:
                    continue  # the first label's palette is the one that holds
                self.label(name, image)
                self.fault(other or field, *words, **values)
            self.label(name, paletted(before))
        self.fine()

    def test_grey_and_paletted_labels_are_not_rgb(self):
        self.fault("label_kind", "is a paletted image", label_kind="rgb")
        for name in NAMES:
            self.label(name, Image.fromarray(label_of(self.voc, name)))
        self.fault("label_kind", "is a grey image", label_kind="rgb")

    def test_files_that_are_missing_or_broken(self):
        os.remove(os.path.join(self.voc, "JPEGImages", "d.png"))
        self.fault("train_set", "There is no file JPEGImages/d")
        with io.open(os.path.join(self.voc, "JPEGImages", "d.png"), "wb") as f:
            f.write(b"no image")
        self.fault(
            "train_set", "JPEGImages/d.png cannot be read as an image (it is of no known kind"
        )
        make_voc(self.voc, names=NAMES, train="abcde", val="fgh")
        for kind in ("PNG", "JPEG"):
            image = Image.fromarray(
                np.random.RandomState(0).randint(0, 256, (24, 32, 3)).astype(np.uint8)
            )
            file = io.BytesIO()
            image.save(file, kind)
            with io.open(os.path.join(self.voc, "JPEGImages", "d.png"), "wb") as f:
                f.write(file.getvalue()[: len(file.getvalue()) // 2])
            self.fault("train_set", "JPEGImages/d.png cannot be read as an image")
        make_voc(self.voc, names=NAMES, train="abcde", val="fgh")
        path = os.path.join(self.voc, "SegmentationClass", "g.png")
        with io.open(path, "rb") as f:
            half = f.read()[:-40]
        with io.open(path, "wb") as f:
            f.write(half)
        self.fault("val_set", "SegmentationClass/g.png cannot be read as an image")
        os.remove(path)
        self.fault("val_set", "There is no file SegmentationClass/g")

    def test_several_faults_are_listed_but_not_hundreds(self):
        for name in NAMES[1:]:
            self.label(name, paletted(np.zeros((2, 2), np.uint8)))
        _, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=self.voc))
        self.assertEqual(sorted(map(len, errors.values())), [2, 3])
        self.assertEqual(sum(map(len, errors.values())), checks.MAX_FAULTS)

    def test_what_takes_too_long_is_left_to_the_job(self):
        self.label("e", paletted(np.zeros((2, 2), np.uint8)))
        self.addCleanup(setattr, checks, "SECONDS", checks.SECONDS)
        checks.SECONDS = -1.0
        dataset = self.fine()
        with self.assert_words("'e' is 2 x 2 pixels"):
            fake_digits.create_db(dataset, "train_db")

    def test_black_and_white_labels_are_asked_about(self):
        for name in NAMES:
            mask = np.where(label_of(self.voc, name) == 1, 255, 0).astype(np.uint8)
            self.label(name, Image.fromarray(mask))
        self.fault("colour_map_file", "8 of 8 labels hold only 0 and 255", "binary")
        dataset = self.fine(colour_map_file="binary")
        values = set(np.unique([label for _, label in fake_digits.create_db(dataset, "train_db")]))
        self.assertEqual(values, {0, 1})
        self.assertEqual(dataset.extension_userdata["color_palette"][:6], [0, 0, 0, 255, 255, 255])
        self.fine(label_kind="indexed")

    def test_shades_of_grey_are_asked_about(self):
        for name in NAMES:
            self.label(name, Image.fromarray(np.minimum(label_of(self.voc, name), 3) * 63))
        self.fault("colour_map_file", "hold the values 0, 63, 126, 189", "0, 1, 2")
        self.fine(label_kind="indexed")


class Presets(Case):
    """DIGITS' own options on the same page."""

    def post(self, sizes, **options):
        voc = self.path("voc")
        for name, size in zip("abc", sizes):
            make_voc(voc, names=name, size=size)
        make_voc(voc, names="")
        data = dict(VOC_FORM, source=voc, dataset_name="voc", **options)
        return fake_digits.create_dataset(data)[1]

    def test_one_shape_is_not_enforced_on_images_of_several_sizes(self):
        mixed, equal = ((4, 5), (4, 5), (5, 4)), ((4, 5),) * 3
        for option in ({}, {"dsopts_force_same_shape": "1"}):
            self.assertIn("'Enforce same shape'", self.post(mixed, **option)["source"][0])
            self.assertEqual(self.post(equal, **option), {})
        self.assertEqual(self.post(mixed, dsopts_force_same_shape="0"), {})

    def test_jpeg_is_no_encoding_of_labels(self):
        errors = self.post(((4, 5),) * 3, dsopts_label_encoding="jpg")
        self.assertIn("'Label Encoding'", errors["source"][0])
        for encoding in ("png", "none"):
            self.assertEqual(self.post(((4, 5),) * 3, dsopts_label_encoding=encoding), {})

    def test_the_form_says_which_presets_do_not_fit(self):
        with fake_digits.app().test_request_context("/"):
            template, context = fake_digits.DataIngestion.get_dataset_template(
                fake_digits.DataIngestion.get_dataset_form()
            )
            html = fake_digits.flask.render_template_string(template, **context)
        self.assertIn("Label Encoding: PNG", html)
        self.assertIn("Enforce same shape: No", html)


if __name__ == "__main__":
    unittest.main()
