"""Datums hold what was put in, and images decode with the channels that Caffe gives them."""

import io

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError, array_to_datum, datum_to_array, encoded_datum, pb

RNG = np.random.RandomState(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_raw_values_come_back(dtype):
    array = RNG.randint(0, 256, (3, 4, 5)).astype(dtype)
    datum = pb.Datum.FromString(array_to_datum(array, label=7).SerializeToString())
    assert (datum.channels, datum.height, datum.width, datum.label) == (3, 4, 5, 7)
    back = datum_to_array(datum)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array)


def _encode(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return encoded_datum(file.getvalue())


def test_colour_is_blue_green_red():
    pixels = RNG.randint(0, 256, (4, 5, 3)).astype(np.uint8)
    decoded = datum_to_array(_encode(Image.fromarray(pixels)))
    np.testing.assert_array_equal(decoded, pixels.transpose(2, 0, 1)[::-1])


def test_grey_stays_one_channel_and_a_palette_becomes_colours():
    grey = Image.fromarray(np.array([[0, 1], [2, 255]], np.uint8))
    np.testing.assert_array_equal(datum_to_array(_encode(grey)), [[[0, 1], [2, 255]]])
    paletted = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    paletted.putpalette([10, 20, 30, 40, 50, 60] + [0] * 762)
    decoded = datum_to_array(_encode(paletted))
    np.testing.assert_array_equal(decoded[:, 0], [[30, 60], [20, 50], [10, 40]])


def test_transparency_is_a_fourth_channel():
    pixels = RNG.randint(0, 256, (2, 3, 4)).astype(np.uint8)
    decoded = datum_to_array(_encode(Image.fromarray(pixels)))
    np.testing.assert_array_equal(decoded, pixels.transpose(2, 0, 1)[[2, 1, 0, 3]])


def test_channels_can_be_forced():
    grey = _encode(Image.new("L", (2, 3), 9))
    colour = _encode(Image.new("RGB", (2, 3), (255, 0, 0)))
    assert datum_to_array(grey, color=True).shape == (3, 3, 2)
    assert datum_to_array(colour, color=False).tolist() == [[[76, 76]] * 3]


@pytest.mark.parametrize(
    "datum, words",
    [
        (pb.Datum(channels=3, height=2, width=2, data=b"123"), "3 values"),
        (pb.Datum(channels=-1, height=-1, width=1, data=b"1"), "1 values"),
        (pb.Datum(), "0 values"),
        (encoded_datum(b"\x89PNG rubbish"), "cannot be decoded"),
        (_encode(Image.fromarray(np.zeros((2, 2), np.uint16))), "8 bits per channel"),
    ],
)
def test_datums_that_make_no_sense(datum, words):
    with pytest.raises(InputError, match=words):
        datum_to_array(datum)


def test_arrays_of_other_than_three_axes_are_refused():
    with pytest.raises(InputError, match=r"\(2, 2\)"):
        array_to_datum(np.zeros((2, 2)))


def test_forced_channels_are_turned_as_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    datum = _encode(Image.new("RGB", (4, 2), (10, 20, 30)), "JPEG", exif=exif)
    assert datum_to_array(datum).shape == (3, 2, 4)
    assert datum_to_array(datum, color=True).shape == (3, 4, 2)
    assert datum_to_array(datum, color=False).shape == (1, 4, 2)


def test_grey_of_a_colour_png_is_rounded_down_as_by_libpng():
    datum = _encode(Image.new("RGB", (1, 1), (255, 254, 255)))
    assert datum_to_array(datum, color=False).tolist() == [[[254]]]
