import numpy as np

from fcnkit.images import LegendEntry, contact_sheet, legend, overlay, paint, voc_palette
from fcnkit.images.painting import legend_image

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


def test_overlay_sees_through_the_requested_classes():
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


def ink(picture):
    """(top, bottom, left, right) of what is not white in `picture`, both ends included; or None."""
    drawn = (picture != 255).any(-1)
    if not drawn.any():
        return None
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_contact_sheet_centres_pictures_under_headings_and_over_captions():
    red = np.zeros((30, 10, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    wide = np.zeros((10, 40, 3), np.uint8) + np.array([255, 0, 0], np.uint8)
    line, gap, width, height = 16, 4, 80, 60
    sheet = contact_sheet([[red, wide], [red]], ["A", "B"], ["one"], cell=(width, height))
    assert sheet.shape == (line + gap + 2 * (height + gap + line), 2 * (width + gap) + gap, 3)
    is_red = (sheet == [255, 0, 0]).all(-1)
    first, second = line + gap, line + gap + height + gap + line
    left, right = gap, gap + width + gap
    expected = np.zeros_like(is_red)
    expected[first : first + 60, left + 30 : left + 50] = True  # 20 x 60, in the middle
    expected[first + 20 : first + 40, right : right + 80] = True  # 80 x 20
    expected[second : second + 60, left + 30 : left + 50] = True
    assert np.array_equal(is_red, expected)
    for x in (left, right):
        top, bottom, start, end = ink(sheet[:line, x : x + width])
        assert top >= 1 and bottom < line and 0 <= start <= 2 and end < 20
    caption = sheet[first + height : second, left : left + width]
    assert ink(caption) is not None and ink(caption)[2] <= 2
    assert ink(sheet[second + height :]) is None  # the second row has no caption


def test_contact_sheet_cuts_long_words_at_the_cell():
    sheet = contact_sheet([[np.full((8, 8, 3), 255, np.uint8)] * 2], ["W" * 400], cell=(80, 60))
    start, end = ink(sheet[:16])[2:]
    assert start >= 4 and 40 < end < 84


def test_legend_image_puts_swatch_name_and_share_side_by_side():
    entries = [
        LegendEntry(0, "sky", (10, 20, 30), 0.75),
        LegendEntry(1, "sea", (40, 50, 60), 0.2),
        LegendEntry(2, "sand", (70, 80, 90), 0.05),
    ]
    picture = legend_image(entries, columns=2, width=120)
    assert picture.shape == (2 * 16 + 4, 240, 3)
    for entry, (x, y) in zip(entries, [(4, 2), (4, 18), (124, 2)]):
        swatch = picture[y + 2 : y + 13, x + 1 : x + 20]
        assert (swatch == entry.colour).all()
        border = picture[[y + 1, y + 13], x : x + 21]
        assert (border == 0).all() and (picture[y + 1 : y + 14, [x, x + 20]] == 0).all()
        words = picture[y : y + 16, x + 21 : x + 112]
        assert 4 <= ink(words)[2] <= 8 and ink(words)[3] > 40
