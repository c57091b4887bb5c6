import numpy as np

from fcnkit.painting import contact_sheet, legend, legend_image, overlay, paint
from fcnkit.palette import voc_palette

PALETTE = voc_palette()
CLASSES = np.array([[0, 15], [15, 255]], np.uint8)


def test_paint_looks_colours_up():
    assert paint(CLASSES, PALETTE).tolist() == PALETTE[CLASSES].tolist()


def test_overlay_mixes_by_opacity_and_keeps_the_background():
    image = np.full((2, 2, 3), 100, np.uint8)
    mixed = overlay(image, CLASSES, PALETTE, opacity=0.5)
    assert mixed.dtype == np.uint8
    assert mixed[0, 0].tolist() == [100, 100, 100]
    assert mixed[0, 1].tolist() == [146, 114, 114]  # halfway to (192, 128, 128)
    assert np.array_equal(overlay(image, CLASSES, PALETTE, 1.0)[1, 1], PALETTE[255])
    assert np.array_equal(overlay(image, CLASSES, PALETTE, 0.0), image)


def test_overlay_sees_through_the_classes_asked_for():
    image = np.full((2, 2, 3), 100, np.uint8)
    mixed = overlay(image, CLASSES, PALETTE, 1.0, see_through=[255])
    assert mixed[1, 1].tolist() == [100, 100, 100]
    assert mixed[0, 0].tolist() == [0, 0, 0]


def test_legend_is_sorted_by_share():
    entries = legend(CLASSES, PALETTE, ["background"])
    assert [(e.index, e.name, e.share) for e in entries] == [
        (15, "class 15", 0.5),
        (0, "background", 0.25),
        (255, "ignore", 0.25),
    ]
    assert entries[0].colour == (192, 128, 128)


def test_legend_image_shows_each_colour():
    picture = legend_image(legend(CLASSES, PALETTE, ["<b>", "na\u00efve \u4e2d\u6587"] * 8))
    colours = {tuple(c) for c in picture.reshape(-1, 3).tolist()}
    assert {(192, 128, 128), (0, 0, 0), (224, 224, 192)} <= colours


def test_contact_sheet_shows_each_picture_whole_in_its_cell():
    red = np.zeros((30, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    green = np.zeros((300, 10, 3), np.uint8) + np.array([0, 255, 0], np.uint8)
    sheet = contact_sheet(
        [[red, green], [green]], ["image", "label"], ["one", "two"], cell=(80, 60)
    )
    assert sheet.dtype == np.uint8 and sheet.shape[1] == 2 * 84 + 4
    assert (sheet == [255, 0, 0]).all(-1).sum() == 80 * 60
    assert (sheet == [0, 255, 0]).all(-1).sum() == 2 * 2 * 60


def test_contact_sheet_of_nothing_is_blank():
    assert (contact_sheet([]) == 255).all()
