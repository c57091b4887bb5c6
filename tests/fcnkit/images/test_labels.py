import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.images import read_label, voc_palette, write_label
from fcnkit.images.labels import colours_to_indices

INDICES = np.array([[0, 1, 20, 255], [255, 20, 2, 0]], np.uint8)


def test_written_label_keeps_indices_and_palette(tmp_path):
    path = tmp_path / "label.png"
    write_label(path, INDICES, voc_palette())
    assert np.array_equal(read_label(path), INDICES)
    with Image.open(path) as image:
        assert image.mode == "P"
        assert image.getpalette() == voc_palette().reshape(-1).tolist()


def test_grey_values_are_indices(tmp_path):
    Image.fromarray(INDICES).save(tmp_path / "grey.png")
    assert np.array_equal(read_label(tmp_path / "grey.png", voc_palette()), INDICES)


@pytest.mark.parametrize("alpha", [False, True])
def test_rgb_labels_go_through_the_colour_map(tmp_path, alpha):
    rgb = Image.fromarray(voc_palette()[INDICES])
    (rgb.convert("RGBA") if alpha else rgb).save(tmp_path / "rgb.png")
    assert np.array_equal(read_label(tmp_path / "rgb.png", voc_palette()), INDICES)
    # A map of 21 colours does not contain VOC's ignore colour, which is ignored nevertheless.
    assert np.array_equal(read_label(tmp_path / "rgb.png", voc_palette()[:21]), INDICES)
    with pytest.raises(InputError, match="colour map"):
        read_label(tmp_path / "rgb.png")


def test_paletted_label_with_other_colours_is_looked_up_by_colour(tmp_path):
    shuffled = voc_palette().copy()
    shuffled[[1, 2]] = shuffled[[2, 1]]
    write_label(tmp_path / "label.png", np.array([[0, 1, 2]], np.uint8), shuffled)
    assert read_label(tmp_path / "label.png").tolist() == [[0, 1, 2]]
    assert read_label(tmp_path / "label.png", voc_palette()).tolist() == [[0, 2, 1]]


def test_unknown_colour_is_named_with_its_position():
    rgb = voc_palette()[INDICES].copy()
    rgb[1, 2] = (9, 8, 7)
    with pytest.raises(InputError, match=r"\(9, 8, 7\) at x=2, y=1"):
        colours_to_indices(rgb, voc_palette())


def test_first_of_equal_colours_counts():
    colours = [[1, 1, 1], [5, 5, 5], [5, 5, 5]]
    assert colours_to_indices(np.full((1, 2, 3), 5, np.uint8), colours).tolist() == [[1, 1]]


def test_values_above_255_are_refused(tmp_path):
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match=r"0\.\.300"):
        read_label(tmp_path / "deep.png")
    Image.fromarray(np.array([[0, 7]], np.uint16)).save(tmp_path / "deep.png")
    assert read_label(tmp_path / "deep.png").tolist() == [[0, 7]]
