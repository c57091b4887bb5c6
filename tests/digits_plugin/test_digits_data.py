"""The data extension, called as DIGITS calls it, and the files that it reads."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import struct
import unittest
import zipfile
import zlib

import fake_digits
import numpy as np
from digits_case import NASTY, Case, image_of, label_of, make_voc, pack, paletted
from digits_fcn import labels, palette, source, voc
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
        self.assertEqual(DataIngestion.get_title(), "PASCAL VOC segmentation")
        self.assertTrue(DataIngestion.get_id())
        self.assertTrue(DataIngestion.get_default_visibility())

    def test_inference_form_picks_validation_images(self):
        folder = make_voc(self.path("voc"), names="abcde", val="cde")
        dataset, _, _ = fake_digits.create_dataset(form(folder))
        html = fake_digits.inference_form(dataset)
        self.assertIn('value="d"', html)
        self.assertNotIn('value="a"', html)
        pairs, errors = fake_digits.create_inference_db(
            dataset, {"pick": ["e", "c"], "pick_count": "10"}
        )
        self.assertEqual(errors, {})
        for (feature, _label), name in zip(pairs, "ec"):
            self.assertTrue((feature == image_of(folder, name).transpose(2, 0, 1)).all())
        pairs, _ = fake_digits.create_inference_db(dataset, {"pick_count": "2"})
        self.assertEqual(len(pairs), 2)
        pairs, errors = fake_digits.create_inference_db(dataset, {"pick": ["a"], "pick_count": "1"})
        self.assertIn("pick", errors)

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
        folder = make_voc(self.path("voc"), val=["../../secret"])
        _, errors, _ = fake_digits.create_dataset(form(folder))
        self.assertIn("leads out", errors["val_set"][0])

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
                {"GTcls": {"Segmentation": indices, "Boundaries": 0}},
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


class Labels(Case):
    def raw(self, image, **options):
        out = io.BytesIO()
        image.save(out, "PNG", **options)
        return out.getvalue()

    def test_kinds_that_are_read(self):
        indices = np.array([[0, 1], [2, 255]], np.uint8)
        rgb = palette.voc()[indices]
        for image in (
            paletted(indices),
            Image.fromarray(indices),
            Image.fromarray(rgb),
            Image.fromarray(np.dstack((rgb, np.full((2, 2), 255, np.uint8)))),
        ):
            got, _ = labels.read_label(self.raw(image), "x.png", palette.voc()[:21])
            self.assertEqual(got.tolist(), indices.tolist(), image.mode)

    def test_words_for_the_others(self):
        rgb = np.zeros((2, 3, 3), np.uint8)
        rgb[1, 2] = (1, 2, 3)
        clear = Image.fromarray(np.zeros((2, 2, 4), np.uint8))
        for image, colours, words in (
            (Image.fromarray(rgb), None, ["is an RGB image", "colour map file"]),
            (Image.fromarray(rgb), palette.voc(), ["colour (1, 2, 3) at x=2, y=1"]),
            (clear, palette.voc(), ["RGBA", "without transparency"]),
            (Image.fromarray(np.zeros((2, 2), np.uint16)), palette.voc(), ["of mode I"]),
        ):
            with self.assert_words("x.png", *words):
                labels.read_label(self.raw(image), "x.png", colours)
        with self.assert_words("cannot be read as an image"):
            labels.read_label(b"no image", "x.png")

    def replaced(self, image):
        folder = make_voc(self.path("voc"))
        image.save(os.path.join(folder, "SegmentationClass", "b.png"))
        dataset, _, _ = fake_digits.create_dataset(form(folder))
        return dataset

    def test_palettes_that_differ(self):
        table = palette.voc()
        table[200] = (1, 2, 3)  # a difference in a colour that no pixel uses does not count
        indices = np.ones((24, 32), np.uint8)
        self.assertEqual(
            len(fake_digits.create_db(self.replaced(paletted(indices, table)), "train_db")), 2
        )
        table[1] = (1, 2, 3)
        with self.assert_words("'b'", "(1, 2, 3) for class 1", "(128, 0, 0)", "one palette"):
            fake_digits.create_db(self.replaced(paletted(indices, table)), "train_db")

    def test_indices_past_the_classes(self):
        with self.assert_words("class index 77 at 768 pixels", "21 class names"):
            fake_digits.create_db(
                self.replaced(paletted(np.full((24, 32), 77, np.uint8))), "train_db"
            )

    def test_a_label_of_another_size(self):
        with self.assert_words("'b' is 5 x 4 pixels and its image 32 x 24"):
            fake_digits.create_db(self.replaced(paletted(np.zeros((4, 5), np.uint8))), "train_db")

    def test_rgb_labels_by_a_colour_map_with_names(self):
        folder = make_voc(self.path("voc"))
        colours = np.array([[9, 9, 9], [8, 0, 0], [0, 7, 0], [0, 0, 6]], np.uint8)
        for name in "abc":
            indices = label_of(folder, name)
            rgb = colours[np.minimum(indices, 3)]
            rgb[indices == 255] = palette.IGNORE_COLOUR
            Image.fromarray(rgb).save(os.path.join(folder, "SegmentationClass", name + ".png"))
        text = "9 9 9 none\n8 0 0 red one\n0 7 0 green\n0 0 6 blue\n"
        path = self.write(text, "map.txt")
        dataset, errors, _ = fake_digits.create_dataset(form(folder, colour_map_file=path))
        self.assertEqual(errors, {})
        self.assertEqual(
            dataset.extension_userdata["class_labels"], ["none", "red one", "green", "blue"]
        )
        self.assertEqual(dataset.extension_userdata["color_palette"][3:6], [8, 0, 0])
        labels_seen = [label for _, label in fake_digits.create_db(dataset, "train_db")]
        self.assertEqual(set(np.unique(labels_seen)), {0, 1, 2, 3, 255})

    def test_grey_labels_get_a_palette_made_for_them(self):
        folder = make_voc(self.path("voc"))
        for name in "abc":
            Image.fromarray(label_of(folder, name)).save(
                os.path.join(folder, "SegmentationClass", name + ".png")
            )
        self.write("sky\nroad\ntree\ncar\n", "voc", "classes.txt")
        dataset, _, _ = fake_digits.create_dataset(form(folder))
        self.assertEqual(
            dataset.extension_userdata["color_palette"], palette.to_list(palette.even(4))
        )
        self.assertEqual(len(fake_digits.create_db(dataset, "train_db")), 2)


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
            found = np.array(labels.upright(labels.open_image(file.getvalue(), "photo")))
            self.assertEqual(found.shape, shown.shape, orientation)
            self.assertTrue(((found > 127) == (shown > 127)).all(), orientation)

    def test_labels_of_several_pages_are_refused(self):
        pages = [Image.fromarray(np.full((3, 4), i * 90, np.uint8)) for i in range(3)]
        file = io.BytesIO()
        pages[0].convert("P").save(
            file, "GIF", save_all=True, append_images=[page.convert("P") for page in pages[1:]]
        )
        if Image.open(io.BytesIO(file.getvalue())).n_frames == 1:
            self.skipTest("Pillow before 3.4 writes the first page only")
        with self.assert_words("stack.gif holds", "pages; expected one label"):
            labels.read_label(file.getvalue(), "stack.gif")

    def test_grey_labels_of_few_bits_hold_indices(self):
        for bits, packed in ((2, b"\x1b"), (4, b"\x01\x23")):
            header = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
            raw = b"\x89PNG\r\n\x1a\n"
            rows = zlib.compress(b"\0" + packed)
            for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
                crc = zlib.crc32(kind + data) & 0xFFFFFFFF
                raw += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
            self.assertEqual(labels.read_label(raw, "x.png")[0].tolist(), [[0, 1, 2, 3]], bits)


if __name__ == "__main__":
    unittest.main()
