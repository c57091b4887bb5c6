"""Labels of rarer kinds: palettes that say too little, TIFFs and arrays of any type of number."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

import torchcaffe.io
from caffeformat import InputError, datum_to_array, pb
from fcnkit.images import read_colour_map, read_image, read_label

COLOURS = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
INDICES = np.array([[0, 1, 2, 2], [2, 1, 0, 0]], np.uint8)


def paletted(path, indices, colours):
    """Write a PNG of 8 bits with a palette of exactly these colours, as Pillow does not."""
    values = np.asarray(indices, np.uint8)
    header = struct.pack(">IIBBBBB", *values.shape[::-1], 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    chunks = [(b"IHDR", header), (b"PLTE", np.asarray(colours, np.uint8).tobytes())]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_indices_past_a_palette_have_no_colour(tmp_path, order):
    path = tmp_path / "label.png"
    paletted(path, [[0, 1], [255, 2]], COLOURS[order])
    assert read_label(path, COLOURS).tolist() == [[order[0], order[1]], [255, order[2]]]
    paletted(path, [[0, 1], [9, 2]], COLOURS[order])
    assert read_label(path).tolist() == [[0, 1], [9, 2]]
    with pytest.raises(InputError, match=r"index 9 at x=0, y=1 is past its palette of 3"):
        read_label(path, COLOURS)


def test_rows_that_fill_a_palette_are_no_classes(tmp_path):
    """Tools fill palettes with black, and so does a colour map with a colour to ignore."""
    (tmp_path / "map.txt").write_text("0 0 0\n128 0 0\n0 128 0\n1 1 1 ignore\n")
    colours = read_colour_map(tmp_path / "map.txt")
    paletted(tmp_path / "label.png", [[7, 1, 2]], np.vstack([COLOURS, np.zeros((253, 3))]))
    assert read_label(tmp_path / "label.png", colours).tolist() == [[0, 1, 2]]
    assert read_label(tmp_path / "label.png").tolist() == [[7, 1, 2]]


@pytest.mark.parametrize("first", [0, 1])
def test_ignored_pixels_in_the_colour_of_a_class_are_an_error(tmp_path, first):
    path = tmp_path / "label.png"
    paletted(path, [[first, 1, 255]], np.vstack([COLOURS, np.zeros((253, 3))]))
    with pytest.raises(InputError, match=r"index 255, .* have the colour of a class"):
        read_label(path, COLOURS)
    # The file itself as the colour map says that 255 is black, too.
    assert read_label(path, read_colour_map(path)).tolist() == [[first, 1, 255]]


def test_white_at_index_255_is_a_class_where_the_colour_map_says_so(tmp_path):
    path = tmp_path / "label.png"
    paletted(path, [[0, 255]], np.repeat(np.arange(256)[:, None], 3, axis=1))
    assert read_label(path, [[0, 0, 0], [255, 255, 255]]).tolist() == [[0, 1]]


def deep_png(samples):
    """A PNG of 16 bits per channel: H x W x C, with transparency where C is 2 or 4."""
    height, width, count = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[count]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def deep_tiff(samples, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples.astype(np.uint16), photometric="rgb", **options)
    return file.getvalue()


DEEP = {
    "PNG": deep_png,
    "PNG with opacity": lambda rgb: deep_png(np.dstack([rgb, np.full(rgb.shape[:2], 0xFFFF)])),
    "TIFF": deep_tiff,
    "TIFF of Motorola's order": lambda rgb: deep_tiff(rgb, byteorder=">", compression="zlib"),
}


@pytest.mark.parametrize("form", DEEP)
def test_colours_of_16_bits_are_those_of_8_or_refused(form):
    colours = COLOURS[INDICES].astype(int)
    for factor in (257, 256):
        assert np.array_equal(read_label(DEEP[form](colours * factor), COLOURS, "a label"), INDICES)
    # Their upper 8 bits, which Pillow keeps, are all black.
    words = r"a label: expected colours of 8 bits .* found values 0\.\.128 of 16 bits"
    with pytest.raises(InputError, match=words):
        read_label(DEEP[form](colours), COLOURS, "a label")
    with pytest.raises(InputError, match=r"found RGB colours"):
        read_label(DEEP[form](colours))


def test_panoptic_labels_are_named(tmp_path):
    path = tmp_path / "panoptic_train2017.png"
    Image.fromarray(COLOURS[INDICES]).save(path)
    with pytest.raises(InputError, match=r"seems to be a panoptic label, .* number segments"):
        read_label(path)
    assert np.array_equal(read_label(path, COLOURS), INDICES)


def test_grey_of_16_bits_with_opacity_holds_indices():
    whole = np.dstack([INDICES, np.full(INDICES.shape, 0xFFFF)])
    assert np.array_equal(read_label(deep_png(whole)), INDICES)
    with pytest.raises(InputError, match="expected grey of 8 bits"):
        read_label(deep_png(whole), COLOURS)
    with pytest.raises(InputError, match="opacity 7 of 65535"):
        read_label(deep_png(np.dstack([INDICES, np.full(INDICES.shape, 7)])))


def test_colours_of_16_bits_as_ppm_are_refused():
    rows = COLOURS[INDICES].astype(">u2").tobytes()
    with pytest.raises(InputError, match=r"more than 8 bits as PPM|Too many colors"):
        read_label(b"P6\n4 2\n65535\n" + rows, COLOURS)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"bigtiff": True}])
@pytest.mark.parametrize("kind", ["f8", "f2", "i8", "u8", "i4", "u4", "i2", "i1"])
def test_tiffs_of_any_type_hold_indices(tmp_path, kind, options):
    path = tmp_path / "label.tif"
    tifffile.imwrite(path, INDICES.astype(kind), **options)
    assert np.array_equal(read_label(path), INDICES)
    assert np.array_equal(read_label(path.read_bytes()), INDICES)


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "i4", "i2", "i1"])
def test_negative_indices_are_refused_with_their_place(tmp_path, kind):
    for value in (-1, -2):
        tifffile.imwrite(tmp_path / "label.tif", np.array([[0, 2], [value, 1]], kind))
        with pytest.raises(InputError, match=rf"found {value} at x=0, y=1 .*255 where .* ignored"):
            read_label(tmp_path / "label.tif")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_what_is_no_number_is_refused(tmp_path, kind):
    tifffile.imwrite(tmp_path / "label.tif", np.array([[0, np.nan]], kind))
    with pytest.raises(InputError, match=r"label\.tif: .*(nan|NaN)"):
        read_label(tmp_path / "label.tif")


@pytest.mark.parametrize("turn", range(1, 9))
def test_tiffs_of_any_type_are_turned_alike(tmp_path, turn):
    path = tmp_path / "label.tif"
    shown = INDICES.T if turn >= 5 else INDICES
    shown = shown[:: -1 if turn in (3, 4, 7, 8) else 1, :: -1 if turn in (2, 3, 6, 7) else 1]
    for kind in ("f8", "f4", "i4", "i2", "u2", "u1"):
        tifffile.imwrite(path, INDICES.astype(kind), extratags=[(274, 3, 1, turn, True)])
        for source in (path, path.read_bytes()):
            assert np.array_equal(read_label(source), shown), kind
            assert np.array_equal(read_image(source)[..., 0], shown), kind


def test_tiffs_of_several_bands_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "label.tif", np.zeros((5, 6, 4)), photometric="minisblack", planarconfig="contig"
    )
    with pytest.raises(InputError, match="holds 4 bands, expected one"):
        read_label(tmp_path / "label.tif")


def test_true_is_one_in_tiffs_and_arrays(tmp_path):
    """A TIFF of booleans is shown with True as black."""
    tifffile.imwrite(tmp_path / "label.tif", INDICES > 0)
    np.save(tmp_path / "label.npy", INDICES > 0)
    Image.fromarray(INDICES > 0).save(tmp_path / "other.tif")
    for name in ("label.tif", "label.npy", "other.tif"):
        assert np.array_equal(read_label(tmp_path / name), INDICES > 0), name
    with pytest.raises(InputError, match=r"type bool, expected numbers: save it as one array"):
        read_image(tmp_path / "label.npy")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty; fetch it again"),
        (b"<!DOCTYPE html><html>", "a web page; fetch"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", "a HEIC photograph; convert it"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"something else", "replace it, or remove it"),
    ],
)
def test_files_that_are_no_images_are_called_what_they_are(tmp_path, content, words):
    (tmp_path / "photo.png").write_bytes(content)
    for read in (read_label, read_image):
        with pytest.raises(InputError, match=rf"photo\.png: cannot be read as an image: .*{words}"):
            read(tmp_path / "photo.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pages", "floats", "gif"])
def test_every_damaged_byte_is_found_or_harmless(kind):
    file = io.BytesIO()
    if kind == "floats":
        tifffile.imwrite(file, INDICES.astype(np.float64))
    else:
        pages = [Image.fromarray(INDICES), Image.fromarray(INDICES + 1)]
        pages[0].save(file, "TIFF" if kind == "pages" else "GIF", save_all=True,
                      append_images=pages[1:])  # fmt: skip
    data = file.getvalue()
    step = 1 if kind == "gif" else 11
    for place in range(0, len(data), step):
        for value in (0, 255):
            for read in (read_label, read_image):
                with contextlib.suppress(InputError):
                    read(data[:place] + bytes([value]) + data[place + 1 :], name="label")


def blurred(values, mode="L", quality=75):
    """The bytes of a JPEG of grey values."""
    file = io.BytesIO()
    Image.fromarray(values).convert(mode).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [40, 75, 95])
def test_black_and_white_masks_in_jpegs(mode, quality):
    truth = np.zeros((60, 80), np.uint8)
    truth[13:41, 7:50] = 1
    colours = read_colour_map("binary")
    data = blurred(truth * np.uint8(255), mode, quality)
    assert np.array_equal(read_label(data, colours), truth)
    assert np.array_equal(read_label(data, colours[::-1]), 1 - truth)


def test_greys_between_black_and_white_are_no_blur():
    values = np.zeros((60, 80), np.uint8)
    values[13:41, 7:50], values[20:30, 20:30] = 255, 128
    with pytest.raises(InputError, match="is not in the colour map"):
        read_label(blurred(values), read_colour_map("binary"))
    # Nor are they with other colours, or in other files
    values[values == 128] = 254
    with pytest.raises(InputError, match="is not in the colour map"):
        read_label(blurred(values), np.array([[0] * 3, [255] * 3, [99] * 3], np.uint8))
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    with pytest.raises(InputError, match="grey value 254"):
        read_label(file.getvalue(), read_colour_map("binary"))


def bmp(indices, bits, greys):
    """A BMP with 4 or 8 bits per pixel and a palette of exactly these greys."""
    rows = []
    for row in np.asarray(indices, np.uint8)[::-1]:
        row = row if bits == 8 else np.pad(row, (0, row.size % 2)).reshape(-1, 2) @ [16, 1]
        row = row.astype(np.uint8).tobytes()
        rows.append(row + b"\0" * (-len(row) % 4))
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in greys)
    height, width = np.shape(indices)
    start = 54 + len(palette)
    head = struct.pack("<2sIII", b"BM", start + len(b"".join(rows)), 0, start)
    head += struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, 0, 0, 0, len(greys), 0)
    return head + palette + b"".join(rows)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("greys", [(0, 255), (0, 1, 2), tuple(range(16))])
def test_bmps_of_greys_hold_their_indices(bits, greys):
    """Pillow takes black and white for one bit per pixel, and other such greys for eight."""
    indices = np.random.RandomState(1).randint(0, len(greys), (5, 11)).astype(np.uint8)
    content = bmp(indices, bits, greys)
    assert np.array_equal(read_label(content), indices)
    colours = np.repeat(np.array(greys, np.uint8)[:, None], 3, 1)
    assert np.array_equal(read_label(content, colours), indices)
    assert np.array_equal(read_image(content)[..., 0], colours[indices][..., 0])
    datum = pb.Datum(data=content, encoded=True)
    assert np.array_equal(datum_to_array(datum)[0], colours[indices][..., 0])
    shares = torchcaffe.io.load_image(io.BytesIO(content))
    assert np.array_equal(np.rint(shares * 255), colours[indices])
