"""TIFFs whose samples are not grey or RGB become RGB as they should, or are refused by name."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from caffeformat import InputError, array_to_datum, datum_to_array
from fcnkit.images import open_picture, read_image, read_label, read_rgb

PHOTO = np.kron(np.random.RandomState(0).randint(40, 216, (3, 4, 3)), np.ones((8, 8, 1)))
PHOTO = PHOTO.astype(np.uint8)


def saved(mode, tags=None, **options):
    """`PHOTO` as Pillow saves it in `mode`."""
    file = io.BytesIO()
    try:
        image = Image.fromarray(PHOTO).convert(mode)
    except ValueError:
        pytest.skip("this Pillow makes no Lab")
    image.save(file, "TIFF", tiffinfo=tags or {}, **options)
    if mode == "YCbCr":
        found = Image.open(file)
        if 530 not in found.tag_v2 or not (options or found.mode == mode):
            pytest.skip("this Pillow writes YCbCr without a tag, or does not read it")
    return file.getvalue()


def called(photometric, values, written="minisblack", **options):
    """A TIFF of `values` that calls them `photometric`, `written` as if they were other samples."""
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric=written, planarconfig="contig", **options)
    entry = struct.pack("<HHIHH", 262, 3, 1, {"minisblack": 1, "rgb": 2}[written], 0)
    assert file.getvalue().count(entry) == 1
    return file.getvalue().replace(entry, struct.pack("<HHIHH", 262, 3, 1, photometric, 0))


def assert_refused(data, words):
    for read in (read_rgb, read_image, lambda data, name: open_picture(data, name).pixels()):
        with pytest.raises(InputError, match=rf"a\.tif: stores {words}.*convert it to RGB"):
            read(data, name="a.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}])
@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK"])
def test_what_pillow_writes_is_read_in_its_colours(mode, options):
    found = read_rgb(saved(mode, **options)).astype(int)
    assert np.abs(found - PHOTO).max() <= 4  # roundings of two conversions


def test_compressed_ycbcr_says_of_how_many_pixels_each_colour_is():
    """Without that libtiff takes it for one of 2 x 2 pixels; Pillow 8 wrote it for each pixel."""
    data = called(6, PHOTO, "rgb", compression=8)  # deflate
    with pytest.raises(InputError, match=r"a\.tif: stores YCbCr without saying"):
        read_label(data, name="a.tif")
    assert_refused(data, "YCbCr")


@pytest.mark.parametrize(
    ("mode", "tags", "words"),
    [
        ("YCbCr", {530: (2, 2)}, "YCbCr in another form than JPEG's"),
        ("YCbCr", {532: (16.0, 235.0, 128.0, 240.0, 128.0, 240.0)}, "YCbCr in another form"),
        ("YCbCr", {529: (0.2126, 0.7152, 0.0722)}, "YCbCr in another form"),
        ("LAB", {318: (0.3127, 0.329)}, "CIELab of another white than D50"),
        ("CMYK", {332: 2}, "amounts of inks that are not CMYK"),
    ],
)
def test_colours_that_pillow_takes_for_others_are_refused(mode, tags, words):
    data = saved(mode, tags)
    with pytest.raises(InputError, match=rf"a\.tif: stores {words}.*convert it to RGB"):
        read_label(data, name="a.tif")
    assert_refused(data, r".*\(PhotometricInterpretation \d\)")
    datum = array_to_datum(np.zeros((3, 1, 1), np.uint8))
    datum.data, datum.encoded = data, True
    with pytest.raises(InputError, match=f"image: stores {words}"):
        datum_to_array(datum)


KINDS = {
    3: (1, "indices of a palette"),
    5: (4, "amounts of inks"),
    6: (3, "YCbCr"),
    8: (3, "CIELab"),
    9: (3, "ICC Lab"),
    10: (3, "ITU Lab"),
    32803: (1, "the mosaic of a camera's sensor"),
    32844: (1, "logarithms of brightness"),
    32845: (3, "LogLuv"),
    34892: (3, "a camera's raw colours"),
    77: (3, "something unknown"),
}
CONVERTED = (3, 5, 6, 8)  # by Pillow, where they have 8 bits


@pytest.mark.parametrize(
    ("photometric", "dtype"),
    [(kind, dtype) for kind in KINDS for dtype in ("u1", "u2")[kind in CONVERTED :]],
)
def test_samples_of_other_kinds_are_refused(photometric, dtype):
    bands, words = KINDS[photometric]
    values = np.arange(5 * 6 * bands, dtype=dtype).reshape(5, 6, bands).squeeze()
    assert_refused(called(photometric, values), words)


def test_indices_of_a_palette_are_a_label():
    values = np.arange(30, dtype=np.uint16).reshape(5, 6)
    assert np.array_equal(read_label(called(3, values)), values)
    with pytest.raises(InputError, match="mosaic"):
        read_label(called(32803, values))


def test_no_image_is_left_open(tmp_path, recwarn):
    (tmp_path / "a.tif").write_bytes(saved("YCbCr", {530: (2, 2)}))
    with pytest.raises(InputError):
        read_rgb(tmp_path / "a.tif")
    assert not [warning for warning in recwarn if warning.category is ResourceWarning]
