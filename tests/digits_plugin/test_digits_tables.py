"""Lists of names, colour maps and image sets as people and tools leave them."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import unittest

import fake_digits
import numpy as np
from digits_case import VOC_FORM, Case, label_of, make_voc
from digits_fcn import names, palette, text
from PIL import Image

LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:48,112,32::\n"


class Names(Case):
    def test_tables_of_tools(self):
        for table, found in (
            ("Pixel Value, Class\n0, background\n1, cat\n", ["background", "cat"]),
            ('name,r,g,b\n"sky, blue",1,2,3\ncar,4,5,6\n', ["sky, blue", "car"]),
            ("r,g,b,class\n0,0,0,void\n1,1,1,car\n", ["void", "car"]),
            (LABELMAP, ["background", "cat"]),
            (LABELMAP + "ignore:1,1,1::\n", ["background", "cat"]),
            ("neutral 224 224 192\ncat 1 2 3\n", ["background", "cat"]),
            ("__ignore__\n_background_\ncat\n", ["_background_", "cat"]),
            ("sky\nroad\n\nThe classes are\nthese.\n", ["sky", "road"]),
            ("sea, deep\nroad\n", ["sea, deep", "road"]),
            ("0: cat\n1: dog\n", ["cat", "dog"]),
            ("dog 1\ncat 0\n", ["cat", "dog"]),
            ("dog=1\ncat=0\n", ["cat", "dog"]),
            ("zone 0\nzone 1\n", ["zone 0", "zone 1"]),
            ("- cat\n- dog\n", ["cat", "dog"]),
            ('"cat"\n"dog"\n', ["cat", "dog"]),
            ("0 1 euro\n1 2 euro\n", ["1 euro", "2 euro"]),
            ("0.5 mm\n1.2 mm\n", ["0.5 mm", "1.2 mm"]),
        ):
            self.assertEqual(names.parse(table, "x"), found)

    def test_what_cannot_be_names(self):
        for table, words in (
            ("class\ncat\ndog\n", "header of a table"),
            ("id,name\n0,cat\n", "header of a table"),
            ("0,cat\n1,dog\n", "columns between commas"),
            ("0 0 0\n128 0 0\n", "colours of a colour map"),
            ("1 cat\n2 dog\n", "begin with other numbers than 0, 1, 2"),
            ("0 128 0 0\n1 0 128 0\n", "begin with other numbers than 0, 1, 2"),
            ("path: x\nnames:\n  0: cat\n", "it is JSON or YAML"),
            ('{"0": "cat", "1": "dog"}\n', "it is JSON or YAML"),
            ("' '\n' '\n", "stands twice"),
            ("# animals\ncat\ndog\n", "it has a comment, which is no class"),
            ("cat=1\ndog=2\n", "end in other numbers than 0, 1, 2"),
            ("cat\n__ignore__\ndog\n", "line 2 is __ignore__"),
            ("cat\ndog\ncat\n", "'cat' stands twice, as number 1 and 3"),
            ("Pixel Value,Class\n1,cat\n2,dog\n", "pixel values 1, 2; expected 0 to 1"),
            ("name,r,g,b\ncat,1,2\n", "Line 2 of x"),
            ("name,r,g,b\ncat,1,2,300\n", "Line 2 of x: expected values from 0 to 255"),
            ("name,r,g,b\ncat,1,2,3\ndog,1,2,3\n", "two classes have"),
            (LABELMAP + "dog:::\n", "Line 4 of x"),
            ("Pixel Value,Class\n", "lists no class"),
        ):
            with self.assert_words(words):
                names.parse(table, "x")

    def test_encodings(self):
        words = "\u00e9t\u00e9\r\nhiver\r\n"
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
            path = self.path("names.txt")
            with io.open(path, "wb") as f:
                f.write(words.encode(encoding))
            self.assertEqual(names.parse(text.read_text(path), path), ["\u00e9t\u00e9", "hiver"])

    @unittest.skipUnless(hasattr(os, "mkfifo"), "needs pipes")
    def test_what_is_no_regular_file_is_refused_at_once(self):
        os.mkfifo(self.path("pipe"))
        for path in (self.path("pipe"), "/dev/zero", self.folder, "/no/such", "a\0b"):
            with self.assert_words("cannot be read"):
                text.read_text(path)
            with self.assert_words("cannot be read"):
                palette.read(path)
        with io.open(self.path("large"), "wb") as f:
            f.truncate(text.MAX_TEXT + 1)
        with self.assert_words("has more than %d bytes" % text.MAX_TEXT):
            text.read_text(self.path("large"))


class ColourMaps(Case):
    def test_tables_of_tools_and_a_colour_to_ignore(self):
        for table in (
            LABELMAP + "ignore:9,9,9::\n",
            "0 0 0 background\n9 9 9 ignore\n48 112 32 cat\n",
        ):
            colours, found = palette.parse_text(table, "x")
            self.assertEqual(found, ["background", "cat"])
            self.assertEqual(palette.count(colours), 2)
            self.assertEqual(colours[[1, 255]].tolist(), [[48, 112, 32], [9, 9, 9]])
            table = palette.of_colours(colours)
            self.assertEqual(table[[1, 2, 255]].tolist(), [[48, 112, 32], [0, 0, 0], [9, 9, 9]])

    def test_an_index_before_the_colours_is_no_red(self):
        for table in (
            "0 0 0 0\n1 128 0 0\n2 0 128 0\n",
            "0,0,0,0\n1,224,224,192\n",
            "0 0 0 0 none\n1 128 0 0 cat\n",
            "# class r g b\n0 7 7 7\n1 9 9 9\n2 255 0 255\n",
        ):
            with self.assert_words("the class's index; leave it out"):
                palette.parse_text(table, "x")
        opaque = ("0 0 0 255\n1 1 1 255\n", "0 0 0 255\n1 0 0 255\n2 0 0 255\n")
        for table in opaque + ("0 0 0 0\n1 1 1 1\n", "0 0 0 255\n128 0 0 255\n", "0 1 2 9\n"):
            colours, _ = palette.parse_text(table, "x")
            expected = [[int(v) for v in line.split()[:3]] for line in table.splitlines()]
            self.assertEqual(colours.tolist(), expected)

    def test_cvats_label_map_beside_the_dataset_is_used(self):
        voc = make_voc(self.path("voc"))
        colours = np.array([[9, 9, 9], [8, 0, 0], [0, 7, 0], [0, 0, 6]], np.uint8)
        for name in "abc":
            indices = label_of(voc, name)
            rgb = colours[np.minimum(indices, 3)]
            rgb[indices == 255] = palette.IGNORE_COLOUR
            Image.fromarray(rgb).save(os.path.join(voc, "SegmentationClass", name + ".png"))
        table = LABELMAP.split("\n")[0] + "\nnone:9,9,9::\na:8,0,0::\nb:0,7,0::\nc:0,0,6::\n"
        self.write(table, "voc", "labelmap.txt")
        dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        self.assertEqual(errors, {})
        self.assertEqual(dataset.extension_userdata["class_labels"], ["none", "a", "b", "c"])
        (pair,) = fake_digits.create_db(dataset, "val_db")
        self.assertEqual(set(np.unique(pair[1])), {0, 1, 2, 3, 255})


class ImageSets(Case):
    def test_lines_as_tools_write_them(self):
        names = ("a 1", "b", "c.d", "photo", "photo (1)", "\u00e9", "sub/e")
        voc = make_voc(self.path("voc"))
        for part in ("JPEGImages", "SegmentationClass"):
            self.path("voc", part, "sub", "x")
        make_voc(voc, names=names, train=names, val=names)
        os.rename(self.path("voc", "JPEGImages", "b.png"), self.path("voc", "JPEGImages", "b.PNG"))
        lines = ["a 1", "b.jpg  1", '"c.d"', "photo -1", "photo (1)", "e\u0301", "sub/e.png"]
        path = self.path("voc", "ImageSets", "Segmentation", "train.txt")
        for encoding in ("utf-8-sig", "utf-16"):
            with io.open(path, "wb") as f:
                f.write("\r\n".join(lines).encode(encoding))
            dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
            self.assertEqual(errors, {})
            pairs = fake_digits.create_db(dataset, "train_db", threads=1)
            for (_, label), name in zip(pairs, names):
                self.assertTrue((label[0] == label_of(voc, name)).all(), name)
            self.assertEqual(len(pairs), 7)

    def test_lists_with_two_columns_name_the_folders(self):
        voc = make_voc(self.path("voc"))
        os.rename(os.path.join(voc, "SegmentationClass"), os.path.join(voc, "Aug"))
        for name, members in (("train", "ab"), ("val", "c")):
            rows = ["/JPEGImages/%s.png /Aug/%s.png\n" % (m, m) for m in members]
            self.write("".join(rows), "voc", "ImageSets", "Segmentation", name + ".txt")
        dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        self.assertEqual(errors, {})
        self.assertEqual(dataset.extension_userdata["fcn_val_names"], ["c"])
        self.assertEqual(len(fake_digits.create_db(dataset, "train_db")), 2)
        self.assertEqual(len(fake_digits.create_db(dataset, "val_db")), 1)
        pairs, _ = fake_digits.create_inference_db(dataset, {})
        self.assertEqual(len(pairs), 1)
        for row, words in (
            ("JPEGImages/a.png Aug/b.png\n", "pairs 'JPEGImages/a.png' with 'Aug/b.png'"),
            ("JPEGImages/a.png Other/a.png\n", "one folder each (JPEGImages, Aug)"),
        ):
            rows = "JPEGImages/b.png Aug/b.png\n" + row
            self.write(rows, "voc", "ImageSets", "Segmentation", "train.txt")
            _, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
            self.assertIn(words, errors["train_set"][0])

    def test_two_images_of_one_name_are_refused(self):
        voc = make_voc(self.path("voc"))
        Image.new("RGB", (3, 4)).save(self.path("voc", "JPEGImages", "b.jpg"))
        _, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        self.assertEqual(list(errors), ["train_set"])
        self.assertIn("may be JPEGImages/b.jpg or JPEGImages/b.png", errors["train_set"][0])

    def test_images_without_an_ending(self):
        voc = make_voc(self.path("voc"), names=("a", "b", "c.d"), val=("c.d",))
        for name in ("a", "b", "c.d"):
            path = self.path("voc", "JPEGImages", name)
            os.rename(path + ".png", path)
        dataset, errors, _ = fake_digits.create_dataset(dict(VOC_FORM, source=voc))
        self.assertEqual(errors, {})
        self.assertEqual(len(fake_digits.create_db(dataset, "val_db")), 1)


if __name__ == "__main__":
    unittest.main()
