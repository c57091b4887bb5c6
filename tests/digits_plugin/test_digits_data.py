"""The data extension, called as DIGITS calls it, and the files that it reads."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import tarfile
import unittest
import warnings
import zipfile

import fake_digits
import numpy as np
from digits_case import NASTY, Case, image_of, label_of, make_voc, pack
from digits_fcn import images, labels, palette, source, voc
from digits_fcn.data import DataIngestion
from PIL import Image

DEFAULTS = {"train_set": "train", "val_set": "val", "label_kind": "auto"}


def form(path, **more):
    return dict(DEFAULTS, source=path, **more)


class Contract(Case):
    def test_dataset_form_databases_and_user_data(self):
        folder = make_voc(self.path("voc"))
        dataset, errors, html = fake_digits.create_dataset(form(folder))
        self.assertEqual(errors, {})
        self.assertIn("Folder or archive", html)
        userdata = dataset.extension_userdata
        self.assertEqual(userdata["class_labels"][15], "person")
        self.assertEqual(len(userdata["class_labels"]), 21)
        self.assertEqual(userdata["color_palette"], palette.to_list(palette.voc()))
        self.assertTrue(all(type(v) is int for v in userdata["color_palette"]))
        pairs = fake_digits.create_db(dataset, "train_db")
        self.assertEqual(len(pairs), 2)
        expected = {image_of(folder, n).tobytes(): label_of(folder, n) for n in "ab"}
        for feature, label in pairs:
            self.assertEqual((feature.shape, label.shape), ((3, 24, 32), (1, 24, 32)))
            self.assertEqual((feature.dtype, label.dtype), (np.uint8, np.uint8))
            wanted = expected[np.ascontiguousarray(feature.transpose(1, 2, 0)).tobytes()]
            self.assertTrue((label[0] == wanted).all())
        self.assertEqual(len(fake_digits.create_db(dataset, "val_db")), 1)
        self.assertEqual(fake_digits.create_db(dataset, "test_db"), [])

    def test_names_of_the_extension(self):
        self.assertEqual(DataIngestion.get_category(), "Images")
        self.assertEqual(DataIngestion.get_title(), "VOC segmentation")
        self.assertTrue(DataIngestion.get_id())
        self.assertTrue(DataIngestion.get_default_visibility())

    def test_user_data_is_enough_when_the_source_is_gone(self):
        folder = make_voc(self.path("voc"))
        dataset, _, _ = fake_digits.create_dataset(form(folder))
        os.rename(folder, folder + "-moved")
        self.assertIn('value="c"', fake_digits.inference_form(dataset))

    def test_errors_stand_at_the_form_field(self):
        folder = make_voc(self.path("voc"))
        self.write("\na\nb\n", "gap.txt")
        for data, field, words in (
            (form("/nowhere/at-all"), "source", "no file or folder"),
            (form(self.path("x.txt")), "source", "no file or folder"),
            (form(self.write("x", "x.tar")), "source", "not an archive"),
            (form(""), "source", "Enter the path"),
            (form(os.path.dirname(self.path("empty", "x"))), "source", "PASCAL VOC layout"),
            (form(folder, val_set="minival"), "val_set", "there are: train, val"),
            (form(folder, sbd=folder), "sbd", "no folder cls"),
            (form(folder, class_names_file=self.path("gap.txt")), "class_names_file", "holds 0"),
            (form(folder, class_names_file="/no"), "class_names_file", "cannot be read"),
            (form(folder, colour_map_file=self.path("gap.txt")), "colour_map_file", "not a colour"),
        ):
            data = dict(DEFAULTS, **data)
            dataset, errors, html = fake_digits.create_dataset(data)
            self.assertIsNone(dataset)
            self.assertIn(words, errors[field][0])
            self.assertIn("has-error", html)

    def test_nasty_names_travel_as_text(self):
        names = [n for n in NASTY if "/" not in n and len(n) < 200]
        folder = make_voc(self.path("voc"), names=names, train=names, val=names)
        self.write("\n".join(NASTY), "voc", "classes.txt")
        dataset, errors, _ = fake_digits.create_dataset(form(folder))
        self.assertEqual(errors, {})
        self.assertEqual(len(fake_digits.create_db(dataset, "val_db")), len(names))
        html = fake_digits.inference_form(dataset)
        self.assertNotIn("<img", html)
        self.assertNotIn("<b>", html)

    def test_class_names_end_at_the_first_empty_line(self):
        folder = make_voc(self.path("voc"))
        text = "\n".join("class %d" % i for i in range(21)) + "\n\nThe classes.\nSee above.\n"
        self.write(text, "names.txt")
        dataset, errors, _ = fake_digits.create_dataset(
            form(folder, class_names_file=self.path("names.txt"))
        )
        self.assertEqual(errors, {})
        self.assertEqual(len(dataset.extension_userdata["class_labels"]), 21)


class Sources(Case):
    def test_folders_and_archives_are_read_alike(self):
        folder = make_voc(self.path("voc"))
        paths = [folder]
        for mode, ending in (("w", "tar"), ("w:gz", "tar.gz"), ("w:bz2", "tar.bz2")):
            paths.append(pack(folder, self.path("voc." + ending), mode))
        with zipfile.ZipFile(self.path("voc.zip"), "w") as z:
            for top, _, files in os.walk(folder):
                for name in files:
                    full = os.path.join(top, name)
                    z.write(full, "VOC2012/" + os.path.relpath(full, folder))
        for path in paths + [self.path("voc.zip")]:
            dataset, errors, _ = fake_digits.create_dataset(form(path))
            self.assertEqual(errors, {}, path)
            for (_feature, label), name in zip(fake_digits.create_db(dataset, "val_db"), "c"):
                self.assertTrue((label[0] == label_of(folder, name)).all())

    def test_two_versions_of_a_file_in_one_archive_are_refused(self):
        folder = make_voc(self.path("voc"))
        inside = "VOC2012/JPEGImages/a.png"
        for ending, packer in (("tar", tarfile.open), ("zip", zipfile.ZipFile)):
            for other, is_refused in (("a", False), ("b", True)):
                path = self.path("%s.%s" % (other, ending))
                with warnings.catch_warnings(), packer(path, "w") as archive:
                    warnings.simplefilter("ignore")  # zipfile's, of names that are there
                    add = archive.add if ending == "tar" else archive.write
                    for top, _, files in os.walk(folder):
                        for name in files:
                            full = os.path.join(top, name)
                            add(full, "VOC2012/" + os.path.relpath(full, folder))
                    add(os.path.join(folder, "JPEGImages", other + ".png"), inside)
                _, errors, _ = fake_digits.create_dataset(form(path))
                self.assertEqual(bool(errors), is_refused, errors)
                if is_refused:
                    self.assertIn(inside + " more than once", errors["source"][0])

    def test_several_datasets_in_one_place(self):
        make_voc(self.path("kit", "VOC2011"))
        make_voc(self.path("kit", "VOC2012"))
        with self.assert_words("several datasets: VOC2011, VOC2012", "Folder inside"):
            voc.Voc(self.path("kit"))
        self.assertEqual(voc.Voc(self.path("kit"), "VOC2012").root, "VOC2012")
        with self.assert_words("below VOC2013"):
            voc.Voc(self.path("kit"), "VOC2013")

    def test_names_that_lead_out_are_refused(self):
        for name in ("../x", "/etc/passwd", "a/../../x", "c:/x", "a\0"):
            with self.assert_words("leads out"):
                source.safe_name(name)
        make_voc(self.path("deep", "below", "voc"))
        with tarfile.open(self.path("voc.tar"), "w") as tar:
            tar.add(self.path("deep"), "deep")
        for place in (self.path("deep", "below", "voc"), self.path("voc.tar")):
            opened = source.open_source(place)
            for marker in ("..", "../..", "../../..", "a/../../b", "/", "/etc", "a\0"):
                with self.assert_words("leads out"):
                    opened.roots(marker)
            for marker in ("", "."):
                with self.assert_words("found none"):
                    opened.roots(marker)
            self.assertEqual(len(opened.roots("ImageSets")), 1)
            with self.assert_words("leads out"):
                voc.Voc(place, "../..")
        folder = make_voc(self.path("voc"), val=["../../secret"])
        _, errors, _ = fake_digits.create_dataset(form(folder))
        self.assertIn("leads out", errors["val_set"][0])

    def test_what_is_no_file_is_not_read(self):
        folder = make_voc(self.path("voc"))
        os.mkfifo(self.path("voc", "JPEGImages", "pipe.jpg"))
        opened = source.open_source(folder)
        with self.assert_words("pipe.jpg", "not a regular file"):
            opened.read("JPEGImages/pipe.jpg")
        with self.assert_words("JPEGImages", "not a regular file"):
            opened.read("JPEGImages")
        with self.assert_words("none.jpg", "no such file"):
            opened.read("JPEGImages/none.jpg")

    def test_sbd_joins_the_training_set_without_validation_images(self):
        try:
            from scipy.io import savemat
        except ImportError:
            self.skipTest("SciPy is not installed; SBD's labels are MATLAB files")
        folder = make_voc(self.path("voc"))
        for part in ("img", "cls"):
            self.path("sbd", "dataset", part, "x")
        for name in ("a", "c", "s"):
            indices = np.full((6, 7), 3, np.uint8)
            indices[0] = ord(name) % 5
            image = Image.fromarray(np.zeros((6, 7, 3), np.uint8))
            image.save(self.path("sbd", "dataset", "img", name + ".jpg"))
            savemat(
                self.path("sbd", "dataset", "cls", name + ".mat"),
                # NumPy 1.14 takes no Unicode for the names of fields in Python 2.7.
                {"GTcls": {str("Segmentation"): indices, str("Boundaries"): 0}},
            )
        self.write("a\ns\n", "sbd", "dataset", "train.txt")
        self.write("c\n", "sbd", "dataset", "val.txt")
        dataset, errors, _ = fake_digits.create_dataset(form(folder, sbd=self.path("sbd")))
        self.assertEqual(errors, {})
        extension = DataIngestion(**dataset.extension_userdata)
        entries = extension.itemize_entries("train_db")
        self.assertEqual(entries, [("voc", "a"), ("voc", "b"), ("sbd", "s")])
        _, label = extension.encode_entry(("sbd", "s"))
        self.assertEqual(label[0, :2, 0].tolist(), [ord("s") % 5, 3])
        with io.open(self.path("sbd", "dataset", "cls", "s.mat"), "wb") as f:
            f.write(b"MATLAB 5.0 no more" * 20)
        _, errors, _ = fake_digits.create_dataset(form(folder, sbd=self.path("sbd")))
        self.assertIn("s.mat is not a MATLAB file", errors["sbd"][0])


class Images(Case):
    def test_photographs_are_turned_as_their_orientation_says(self):
        shown = np.zeros((16, 24, 3), np.uint8)
        shown[:8, :8] = 255
        image = Image.fromarray(shown)
        # What is done to what is shown, so that the orientation undoes it.
        for orientation, turns in (
            (1, ()),
            (2, (Image.FLIP_LEFT_RIGHT,)),
            (3, (Image.ROTATE_180,)),
            (4, (Image.FLIP_TOP_BOTTOM,)),
            (5, (Image.TRANSPOSE,)),
            (6, (Image.ROTATE_90,)),
            (7, (Image.ROTATE_180, Image.TRANSPOSE)),
            (8, (Image.ROTATE_270,)),
        ):
            stored = image
            for turn in turns:
                stored = stored.transpose(turn)
            exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01" + b"\x01\x12\0\x03\0\0\0\x01\0"
            exif += bytes(bytearray([orientation])) + b"\0\0" + b"\0\0\0\0"
            file = io.BytesIO()
            stored.save(file, "JPEG", exif=exif, quality=95)
            found = np.array(images.upright(images.open_image(file.getvalue(), "photo")))
            self.assertEqual(found.shape, shown.shape, orientation)
            self.assertTrue(((found > 127) == (shown > 127)).all(), orientation)


if __name__ == "__main__":
    unittest.main()
