import json

import numpy as np
import pytest
from PIL import Image
from places import VECTORS

from caffeformat import FormatError, InputError
from fcnkit.images import (
    colour_map_names,
    distinct_palette,
    format_palette,
    palette_from_image,
    read_colour_map,
    read_palette,
    voc_palette,
)

CASES = VECTORS / "palette.json"


def test_voc_palette_has_the_development_kits_colours():
    palette = voc_palette()
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[15].tolist() == [192, 128, 128]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


@pytest.mark.skipif(not CASES.exists(), reason="no shared palette vectors")
def test_voc_palette_equals_the_shared_vectors():
    with open(CASES, encoding="utf-8") as file:
        vectors = json.load(file)
    assert len(vectors["cases"]) == 256
    for case in vectors["cases"]:
        assert voc_palette()[case["index"]].tolist() == case["rgb"]


def test_the_name_voc_needs_no_file():
    np.testing.assert_array_equal(read_palette("voc"), voc_palette())


def test_text_palette_survives_writing_and_reading(tmp_path):
    path = tmp_path / "palette.txt"
    path.write_text(format_palette(voc_palette()))
    assert np.array_equal(read_palette(path), voc_palette())


def test_short_text_palette_is_padded_with_the_ignore_colour_last(tmp_path):
    path = tmp_path / "colours.txt"
    path.write_text("# sky first\n\n1 2 3 sky\n4,5,6\n")
    palette = read_palette(path)
    assert palette[:3].tolist() == [[1, 2, 3], [4, 5, 6], [0, 0, 0]]
    assert palette[255].tolist() == [224, 224, 192]


@pytest.mark.parametrize("line", ["1 2", "1 2 256", "1 2 x", "-1 2 3"])
def test_text_palette_names_the_line_that_is_not_a_colour(tmp_path, line):
    path = tmp_path / "colours.txt"
    path.write_text(f"0 0 0\n{line}\n")
    with pytest.raises(FormatError) as error:
        read_palette(path)
    assert error.value.line == 2


def test_palette_is_read_from_a_paletted_image_only(tmp_path):
    image = Image.new("P", (4, 4))
    image.putpalette(voc_palette().tobytes())
    image.save(tmp_path / "label.png")
    assert np.array_equal(read_palette(tmp_path / "label.png"), voc_palette())
    assert np.array_equal(palette_from_image(tmp_path / "label.png"), voc_palette())
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png")
    with pytest.raises(InputError, match="RGB"):
        read_palette(tmp_path / "rgb.png")


@pytest.mark.parametrize("n", [2, 21, 256])
def test_distinct_palette_has_no_similar_colours(n):
    colours = distinct_palette(n)[:n].astype(int)
    assert colours[0].tolist() == [0, 0, 0]
    apart = np.abs(colours[:, None] - colours[None]).sum(-1) + 1000 * np.eye(n, dtype=int)
    assert apart.min() >= (40 if n <= 21 else 16)


def test_distinct_palette_starts_the_same_for_any_number_of_classes():
    assert np.array_equal(distinct_palette(5)[:5], distinct_palette(40)[:5])


def test_lines_that_begin_with_an_index_are_no_colours(tmp_path):
    path = tmp_path / "palette.txt"
    for name in ("", " cat"):
        path.write_text(f"0 0 0 0{name}\n1 128 0 0{name}\n2 0 128 0{name}\n")
        with pytest.raises(FormatError, match="to be the class's index: leave it out"):
            read_palette(path)
    # A fourth number may be opacity, or the index at the end of the line.
    path.write_text("0 0 0 255\n128 0 0 255\n0 128 0 255\n")
    assert read_palette(path)[:3].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_indices_before_a_colon_put_colours_in_order(tmp_path):
    path = tmp_path / "colours.txt"
    path.write_text("# of our camera\n1: 128, 0, 0\n255: 9 9 9\n\n0: 0 0 0\n")
    colours = read_colour_map(path)
    assert colours[[0, 1, 255]].tolist() == [[0, 0, 0], [128, 0, 0], [9, 9, 9]]
    assert colour_map_names(path) is None
    path.write_text("1: 128 0 0\n2: 0 128 0\n")
    with pytest.raises(FormatError, match="begin with the indices 1, 2, expected 0 to 1"):
        read_colour_map(path)


def test_colour_maps_in_utf_16_are_named(tmp_path):
    path = tmp_path / "colours.txt"
    path.write_text("0 0 0\n", encoding="utf-16")
    with pytest.raises(FormatError, match="UTF-16, expected a colour map in UTF-8"):
        read_colour_map(path)


@pytest.mark.parametrize(
    "text", ["0 0 0 255\n1 1 1 255\n", "0 0 0 0\n1 1 1 1\n", "0 0 0 255\n1 0 0 255\n"]
)
def test_a_fourth_number_may_be_opacity_or_the_same_grey(tmp_path, text):
    path = tmp_path / "colours.txt"
    path.write_text(text)
    assert read_palette(path)[1].tolist() == [int(word) for word in text.split()[4:7]]
