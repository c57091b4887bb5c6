"""Label images of all kinds: what their pixels mean, and the words for those that mean nothing."""

from __future__ import absolute_import, division, unicode_literals

import io
import os
import struct
import unittest
import zlib

import fake_digits
import numpy as np
from digits_case import VOC_FORM, Case, label_of, make_voc, paletted
from digits_fcn import images, label_db, labels, palette
from digits_fcn.errors import FcnError
from PIL import Image


def form(path, **more):
    return dict(VOC_FORM, source=path, **more)


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
            Image.merge("LA", (Image.fromarray(indices), Image.new("L", (2, 2), 255))),
        ):
            got, _ = labels.read_label(self.raw(image), "x.png", palette.voc()[:21])
            self.assertEqual(got.tolist(), indices.tolist(), image.mode)

    def test_transparent_entries_of_a_palette_do_not_matter(self):
        indices = np.array([[0, 1], [2, 255]], np.uint8)
        for transparency in (0, b"\0\x80\xff"):
            raw = self.raw(paletted(indices), transparency=transparency)
            got, table = labels.read_label(raw, "x.png")
            self.assertEqual(got.tolist(), indices.tolist())
            self.assertTrue((table == palette.voc()).all())

    def test_bmps_of_greys_hold_their_indices(self):
        """Pillow takes black and white for one bit per pixel, and other greys for eight."""
        for bits, rows in ((8, b"\0\1\0\0\1\1\0\0"), (4, b"\x01\0\0\0\x11\0\0\0")):
            for greys in ((0, 255), (0, 1, 2)):
                head = struct.pack(str("<IiiHHIIiiII"), 40, 3, 2, 1, bits, 0, 0, 0, 0, len(greys), 0)
                head += b"".join(bytes(bytearray((grey, grey, grey, 0))) for grey in greys)
                start = 14 + len(head)
                raw = struct.pack(str("<2sIII"), b"BM", start + len(rows), 0, start) + head + rows
                self.assertEqual(labels.read_label(raw, "x.bmp")[0].tolist(), [[1, 1, 0], [0, 1, 0]])

    def test_a_grey_image_with_a_transparent_shade_is_read(self):
        raw = self.raw(Image.fromarray(np.array([[0, 1]], np.uint8)), transparency=0)
        self.assertEqual(labels.read_label(raw, "x.png")[0].tolist(), [[0, 1]])

    def test_colours_that_pillow_does_not_convert_are_refused(self):
        photo = Image.fromarray(np.random.RandomState(0).randint(0, 256, (4, 6, 3)).astype("u1"))
        for mode, array, tags in (
            ("YCbCr", np.asarray(photo.convert("YCbCr")), {530: (2, 2)}),
            ("LAB", np.asarray(photo), {}),
        ):
            out = io.BytesIO()
            Image.fromarray(array, mode).save(out, "TIFF", tiffinfo=tags)
            for read in (labels.read_label, images.as_rgb, images.upright_size):
                with self.assert_words("x.tif stores %s colours" % mode, "Convert it to RGB"):
                    read(out.getvalue(), "x.tif")
        # Compressed, libtiff would take it for one colour of 2 x 2 pixels, as no tag says otherwise.
        raw = self.tiff(pixels=zlib.compress(bytes(bytearray(18))), more={262: 6, 277: 3, 259: 8})
        words = ["x.tif stores YCbCr colours", "Convert it to RGB"]
        try:
            Image.open(io.BytesIO(raw))
        except IOError:  # Pillow 3 wants the bits of each sample
            words = ["x.tif cannot be read"]
        for read in (images.as_rgb, images.upright_size):
            with self.assert_words(*words):
                read(raw, "x.tif")
        out = io.BytesIO()
        photo.convert("YCbCr").save(out, "TIFF", tiffinfo={530: (1, 1)})
        try:
            Image.open(io.BytesIO(out.getvalue())).load()
        except IOError:  # Pillow 12 does not read what it writes
            return
        found = images.as_rgb(out.getvalue(), "x.tif").astype(int)
        self.assertLess(np.abs(found - np.asarray(photo)).max(), 5)

    def test_changed_pixels_are_damage(self):
        raw = bytearray(self.raw(paletted(np.zeros((4, 5), np.uint8)), compress_level=0))
        start = raw.index(b"IDAT")
        (size,) = struct.unpack(str(">I"), bytes(raw[start - 4 : start]))
        raw[start + 4 + size - 5] ^= 1  # the last pixel, before zlib's own checksum
        for read in (labels.read_label, images.as_rgb, images.upright_size):
            with self.assertRaises(FcnError) as caught:
                read(bytes(raw), "x.png")
            self.assertIn("the checksum of its pixels", str(caught.exception))
        # A Datum: its bytes (field 4, length-delimited), and that they are encoded (field 7)
        length = bytearray([len(raw) & 127 | 128, len(raw) >> 7])
        datum = bytearray(b"\x22") + length + raw + bytearray(b"\x38\x01")
        with self.assertRaises(FcnError) as caught:
            label_db.datum_array(bytes(datum), picture=False)
        self.assertIn("database entry is damaged (the checksum", str(caught.exception))

    def test_words_for_the_others(self):
        rgb = np.zeros((2, 3, 3), np.uint8)
        rgb[1, 2] = (1, 2, 3)
        clear = Image.fromarray(np.zeros((2, 2, 4), np.uint8))
        for image, colours, words in (
            (Image.fromarray(rgb), None, ["is an RGB image", "colour map file"]),
            (Image.fromarray(rgb), palette.voc(), ["colour (1, 2, 3) at x=2, y=1"]),
            (clear, palette.voc(), ["RGBA", "from 0 to 0", "without transparency"]),
            (clear, None, ["RGBA", "without transparency"]),
            (clear.convert("LA"), None, ["LA", "from 0 to 0", "without transparency"]),
        ):
            with self.assert_words("x.png", *words):
                labels.read_label(self.raw(image), "x.png", colours)
        with self.assert_words("cannot be read as an image"):
            labels.read_label(b"no image", "x.png")

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

    def tiff(self, mark=b"II*\0", after=0, bits=8, pixels=b"\0\1\2\3\4\5", more=()):
        """Return a grey TIFF of 3 x 2 pixels whose list of pages goes on at `after`.

        more: (tag, value) of further entries.
        """
        order = str("<" if mark[:2] == b"II" else ">")
        tags = [(256, 3), (257, 2), (258, bits), (259, 1), (262, 1), (277, 1), (278, 2)]
        tags += [(279, len(pixels))]
        more = dict(more)
        tags = dict(tags + [(273, 10 + 12 * (len(set(dict(tags)) | set(more)) + 1) + 4)])
        tags.update(more)
        file = mark + struct.pack(order + str("IH"), 8, len(tags))
        for tag in sorted(tags):
            file += struct.pack(order + str("HHII"), tag, 4, 1, tags[tag])
        return file + struct.pack(order + str("I"), after) + pixels

    def test_a_list_of_pages_that_is_a_loop_ends(self):
        """Pillow before 9 follows it for ever."""
        for mark in (b"II*\0", b"MM\0*", b"MM*\0", b"II\0*"):
            raw = self.tiff(mark, after=8)
            try:
                images.open_image(raw, "loop.tif")
            except FcnError:
                if mark in (b"II*\0", b"MM\0*"):
                    raise
                continue  # not every Pillow reads these two
            indices, _ = labels.read_label(raw, "loop.tif")
            self.assertEqual(indices.tolist(), [[0, 1, 2], [3, 4, 5]], mark)

    def test_a_list_of_pages_that_ends_in_the_middle_is_refused(self):
        """What is missing may be the page that counts."""
        for after in (0x7FFFFFFF, 5, 126):
            with self.assert_words("cut.tif has a damaged list of pages", "file of its own"):
                labels.read_label(self.tiff(after=after), "cut.tif")

    def test_a_list_of_very_many_pages_is_not_followed_to_its_end(self):
        first = self.tiff(after=128)
        self.assertEqual(len(first), 128)
        count = images.MAX_PAGES + 10
        places = [len(first) + 6 * page for page in range(1, count)] + [0]
        file = first + b"".join(struct.pack(str("<HI"), 0, place) for place in places)
        with self.assert_words("holds %d pages" % images.MAX_PAGES):
            labels.read_label(file, "many.tif")

    def grey_png(self, bits, packed, kind=0):
        """Return a grey PNG of 4 x 1 pixels, whose bytes are given; one of RGB if `kind` is 2."""
        raw = b"\x89PNG\r\n\x1a\n"
        header = struct.pack(">IIBBBBB", 4, 1, bits, kind, 0, 0, 0)
        rows = zlib.compress(b"\0" + packed)
        for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
            crc = zlib.crc32(kind + data) & 0xFFFFFFFF
            raw += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
        return raw

    def test_grey_labels_of_any_depth_hold_indices(self):
        bits = self.raw(Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"))
        self.assertEqual(labels.read_label(bits, "x.png")[0].tolist(), [[0, 1]])
        for bits, packed in ((2, b"\x1b"), (4, b"\x01\x23"), (16, b"\0\0\0\1\0\2\0\3")):
            raw = self.grey_png(bits, packed)
            self.assertEqual(labels.read_label(raw, "x.png")[0].tolist(), [[0, 1, 2, 3]], bits)
        with self.assert_words("of mode I", "values from 0 to 256", "0 to 255"):
            labels.read_label(self.grey_png(16, b"\0\0\0\1\1\0\0\3"), "x.png")

    def test_grey_tiffs_of_few_bits_hold_indices(self):
        """Pillow scales their samples up to 255."""
        for bits, packed, expected in (
            (1, b"\x40\xa0", [[0, 1, 0], [1, 0, 1]]),
            (2, b"\x18\xe4", [[0, 1, 2], [3, 2, 1]]),
            (4, b"\x01\x20\x9f\xa0", [[0, 1, 2], [9, 15, 10]]),
            (8, b"\0\1\2\3\4\xff", [[0, 1, 2], [3, 4, 255]]),
        ):
            raw = self.tiff(bits=bits, pixels=packed)
            try:
                images.open_image(raw, "x.tif")
            except FcnError:
                continue  # Pillow before 4 reads no samples of two and four bits from a TIFF
            self.assertEqual(labels.read_label(raw, "x.tif")[0].tolist(), expected, bits)

    def test_true_is_1_in_what_tifffile_writes_of_booleans(self):
        """It is called black there."""
        more = {262: 0, 305: 0}
        raw = self.tiff(bits=1, pixels=b"\x40\xa0tifffile.py\0", more=more)
        start = raw.index(b"tifffile")
        entry = struct.pack(str("<HHII"), 305, 4, 1, 0)
        raw = raw.replace(entry, struct.pack(str("<HHII"), 305, 2, 12, start))
        self.assertEqual(labels.read_label(raw, "x.tif")[0].tolist(), [[0, 1, 0], [1, 0, 1]])
        raw = raw.replace(b"tifffile", b"another ")
        self.assertEqual(labels.read_label(raw, "x.tif")[0].tolist(), [[1, 0, 1], [0, 1, 0]])

    def test_images_of_16_bits_are_not_cut_off(self):
        for read in (images.as_rgb, images.upright_size):
            with self.assert_words("deep.png has more than 8 bits per sample", "0 to 255"):
                read(self.grey_png(16, b"\0\0\0\1\0\2\0\3"), "deep.png")

    def test_colours_of_16_bits_are_not_cut_off(self):
        colours, table = np.array([[0, 0, 0], [128, 0, 0]], np.uint8), np.array([0, 1] * 2)
        rows = colours[table].astype(str(">u2")).tobytes()
        deep = self.grey_png(16, rows, kind=2)
        with self.assert_words("x.png has more than 8 bits per sample", "labels in colours"):
            labels.read_label(deep, "x.png", colours)
        with self.assert_words("x.ppm has more than 8 bits per sample"):
            images.as_rgb(b"P6\n4 1\n65535\n" + rows, "x.ppm")

    def test_shades_of_16_bits_are_looked_up(self):
        raw = self.grey_png(16, b"\0\0\xff\xff\x80\x80\0\0")
        colours = np.array([[0, 0, 0], [128, 128, 128], [255, 255, 255]], np.uint8)
        got = labels.read_label(raw, "x.png", colours, mapped=True)[0]
        self.assertEqual(got.tolist(), [[0, 2, 1, 0]])
        with self.assert_words("values from 0 to 256", "grey of 8 bits"):
            labels.read_label(self.grey_png(16, b"\0\0\1\0\0\0\0\0"), "x.png", colours, mapped=True)

    def test_a_turned_tiff_has_the_size_that_it_is_shown_in(self):
        for turn in range(1, 9):
            raw = self.tiff(more=[(274, turn)])
            shown = images.as_rgb(raw, "x.tif")
            self.assertEqual(images.upright_size(raw, "x.tif"), shown.shape[:2], turn)
            self.assertEqual(labels.read_label(raw, "x.tif")[0].tolist(), shown[..., 0].tolist())

    def test_jpegs_are_refused_whatever_they_are_called(self):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG")
        with self.assert_words("x.png is a JPEG", "changes class indices"):
            labels.read_label(file.getvalue(), "x.png")

    def test_jpegs_in_a_tiff_are_refused_like_others(self):
        file = io.BytesIO()
        try:
            Image.new("L", (8, 8)).save(file, "TIFF", compression="jpeg")
        except Exception:
            self.skipTest("this Pillow has no libtiff")
        with self.assert_words("x.tif is a JPEG in a TIFF", "changes class indices"):
            labels.read_label(file.getvalue(), "x.tif")

    def test_shades_that_old_pillows_add_to_a_palette_are_none_of_its_colours(self):
        image = Image.new("P", (2, 2))
        image.getpalette = lambda: list(range(256)) * 3
        image.palette.palette = b"\1\2\3\4\5\6"
        self.assertEqual(len(palette.own_values(image)), 6)
        image.palette.palette = b"\0" * 768
        self.assertEqual(len(palette.own_values(image)), 768)
        # Of a BMP they keep four bytes for each colour.
        image.format = "BMP"
        image.getpalette = lambda: list(range(9)) + list(range(253)) * 3
        image.palette.palette = b"\2\1\0\0" + b"\5\4\3\0" + b"\10\7\6\0"
        self.assertEqual(palette.own_values(image), list(range(9)))
        image.palette.palette += b"\0\0\0\0" * 253
        image.getpalette = lambda: list(range(9)) + [0] * 759
        self.assertEqual(len(palette.own_values(image)), 768)

    def test_palettes_that_say_too_little_for_a_colour_map(self):
        colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
        whole = np.concatenate((colours, np.zeros((253, 3), np.uint8)))
        ignoring = np.repeat(colours[:1], 256, axis=0)
        ignoring[:3], ignoring[255] = colours, 1
        rows = [[7, 1, 2]], [[0, 1, 255]]
        raws = [self.raw(paletted(np.array(row, np.uint8), whole)) for row in rows]
        read = labels.read_label
        # Tools fill palettes with black, and so does a colour map with a colour to ignore.
        self.assertEqual(read(raws[0], "x", ignoring, mapped=True)[0].tolist(), [[0, 1, 2]])
        self.assertEqual(read(raws[1], "x", whole, mapped=True)[0].tolist(), [[0, 1, 255]])
        with self.assertRaises(FcnError) as caught:
            read(raws[1], "x", colours, mapped=True)
        self.assertIn("index 255", str(caught.exception))
        indices, table = np.array([[0, 1, 9], [255, 2, 0]], np.uint8), palette.of_colours(colours)
        with self.assertRaises(FcnError) as caught:
            labels._paletted(indices, table, 3, "x", colours)
        self.assertIn("index 9 at x=2, y=0, past its palette of 3", str(caught.exception))
        indices[0, 2] = 2
        got, _ = labels._paletted(indices, table, 3, "x", colours[::-1])
        self.assertEqual(got.tolist(), [[2, 1, 0], [255, 0, 2]])

    def test_a_colour_map_holds_for_grey_and_paletted_labels_too(self):
        colours = np.array([[0, 0, 0], [255, 255, 255], [128, 0, 0]], np.uint8)
        shades = np.array([[0, 255]], np.uint8)
        bits = Image.fromarray(shades).convert("1")
        mine = paletted(np.array([[0, 7]], np.uint8), np.repeat([[0] * 3, [255] * 3], [7, 249], 0))
        for image in (Image.fromarray(shades), bits, mine):
            got, table = labels.read_label(self.raw(image), "x.png", colours, mapped=True)
            self.assertEqual((got.tolist(), table), ([[0, 1]], None), image.mode)
        grey = Image.fromarray(np.array([[0, 9]], np.uint8))
        with self.assert_words("shows the colour (9, 9, 9) at x=1, y=0", "colour map does not"):
            labels.read_label(self.raw(grey), "x.png", colours, mapped=True)

    def test_the_declared_kind_is_held_against_the_file(self):
        grey = Image.fromarray(np.zeros((2, 2), np.uint8))
        for image, found in ((grey, "a grey"), (paletted(np.array(grey)), "a paletted")):
            with self.assert_words("is %s image" % found, "declared to be RGB"):
                labels.read_label(self.raw(image), "x.png", palette.voc(), kind="rgb")


if __name__ == "__main__":
    unittest.main()
