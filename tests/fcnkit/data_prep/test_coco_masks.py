import json
import tracemalloc

import numpy as np
import pytest

from caffeformat import FormatError
from fcnkit.data_prep.layouts.coco.masks import mask_of, polygon_mask, run_lengths


@pytest.fixture(scope="module")
def cases(repo):
    with open(repo / "tests" / "vectors" / "rle.json", encoding="utf-8") as file:
        return json.load(file)["cases"]


def test_run_lengths_in_both_forms_give_the_mask(cases):
    assert len(cases) > 5
    for case in cases:
        height, width = case["size"]
        for counts in (case["counts"], case["string"]):
            mask = mask_of({"counts": counts, "size": case["size"]}, height, width, case["name"])
            np.testing.assert_array_equal(mask, np.array(case["mask"], bool), case["name"])
        assert run_lengths(case["string"]) == case["counts"]


def by_hand(points, height, width):
    """Pixel by pixel: whether a line to the right of the centre crosses an odd number of edges."""
    inside = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            x, y = column + 0.5, row + 0.5
            for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0)):
                if (y0 <= y) != (y1 <= y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside[row, column] ^= True
    return inside


def test_polygons_hold_the_pixels_whose_centre_is_inside():
    random = np.random.RandomState(0)
    for _ in range(30):
        points = random.uniform(-3, 15, (random.randint(3, 9), 2))
        found = polygon_mask(points, 11, 13)
        np.testing.assert_array_equal(found, by_hand(points, 11, 13))


def test_a_box_on_pixel_borders_is_exact():
    mask = mask_of([[2, 1, 5, 1, 5, 4, 2, 4]], 6, 8, "box")
    wanted = np.zeros((6, 8), bool)
    wanted[1:4, 2:5] = True
    np.testing.assert_array_equal(mask, wanted)


def test_corners_far_outside_are_cut_off_exactly():
    far = 10**9
    box = [-far, -far, 5, -far, 5, far, -far, far]
    assert np.array_equal(mask_of([box], 6, 8, "box"), np.arange(8)[None].repeat(6, 0) < 5)
    # Its lower edge passes the image at y = x / 2.
    slope = [-far, -far / 2, far, far / 2, far, -far, -far, -far]
    wanted = np.array([[row + 0.5 < (column + 0.5) / 2 for column in range(8)] for row in range(6)])
    assert np.array_equal(mask_of([slope], 6, 8, "slope"), wanted)


@pytest.mark.slow
def test_long_zigzags_take_little_memory():
    height, width, corners = 2000, 10, 2000
    ys = np.tile([-(10**8), 10**8], corners // 2)
    zigzag = np.stack([np.linspace(0, width, corners), ys], axis=1)
    tracemalloc.start()
    polygon_mask(zigzag, height, width)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # One number for each crossing would be 32 MB.
    assert peak < 24 << 20


def test_a_polygon_that_would_take_hours_is_refused():
    zigzag = np.tile([0, 0, 9, 8000], 9000).tolist()
    with pytest.raises(FormatError, match="cross rows"):
        mask_of([zigzag], 8000, 10, "the annotation")


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": [5, 5], "size": [4, 4]},
        {"counts": [2.5, 13.5], "size": [4, 4]},
        {"counts": ["16"], "size": [4, 4]},
        {"counts": [10**30], "size": [4, 4]},
        {"counts": {"16": 1}, "size": [4, 4]},
        {"counts": [16], "size": 4},
        {"counts": "P" * 10000, "size": [4, 4]},
        [[1, 2, 3, 4, 10**400, 6]],
        [[1, 2, 3, 4, 1e300, 6]],
        [["1", "2", "3", "4"]],
        [[[1, 2], [3, 4]]],
        [None],
        "1234",
        None,
        {"counts": [-1, 17], "size": [4, 4]},
        {"counts": [16], "size": [8, 2]},
        {"counts": "\x7f", "size": [4, 4]},
        {"counts": "o", "size": [4, 4]},
        {"size": [4, 4]},
        [[1, 2, 3]],
        [["a", "b"]],
        [[float("nan"), 1, 2, 3, 4, 5]],
        7,
    ],
)
def test_damaged_masks_are_refused(segmentation):
    with pytest.raises(FormatError, match="the annotation"):
        mask_of(segmentation, 4, 4, "the annotation")
