import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from fcnkit.inference.files import find_images, rounded_scores


def test_half_precision_keeps_every_pixel_s_winner():
    random = np.random.RandomState(0)
    # Around 100 the steps of float16 are 1/16, far more than these scores differ.
    scores = (100 + 0.02 * random.standard_normal((21, 40, 50))).astype(np.float32)
    assert (scores.astype(np.float16).argmax(0) != scores.argmax(0)).any()
    rounded = rounded_scores(scores, np.float16)
    np.testing.assert_array_equal(rounded.argmax(0), scores.argmax(0))
    assert rounded.dtype == np.float16
    assert np.abs(rounded.astype(np.float32) - scores).max() < 2 / 16


def test_scores_that_need_no_rounding_stay():
    scores = np.random.RandomState(0).standard_normal((3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(rounded_scores(scores, np.float32), scores)


def test_an_image_that_is_named_twice_counts_once(tmp_path):
    for name in ("a.png", "b.png", "other/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    first, other = tmp_path / "a.png", tmp_path / "other" / "a.png"
    found = find_images([first, tmp_path / "b.png", tmp_path / "other" / ".." / "a.png", first])
    assert list(found) == ["a", "b"]
    with pytest.raises(InputError, match=r"would both become a\.png"):
        find_images([first, other])
