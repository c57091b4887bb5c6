import io

import numpy as np
import pytest
from PIL import Image

from fcnkit.images import voc_palette, write_png

RANDOM = np.random.RandomState(0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (300, 2), (64, 100)])
@pytest.mark.parametrize("depth", [None, 3])
def test_pixels_are_kept(shape, depth):
    pixels = RANDOM.randint(0, 256, (*shape, depth) if depth else shape).astype(np.uint8)
    file = io.BytesIO()
    write_png(file, pixels[::-1])  # not contiguous
    with Image.open(file) as image:
        assert (image.format, image.mode) == ("PNG", "RGB" if depth else "L")
        assert np.array_equal(np.array(image), pixels[::-1])


def test_indices_and_palette_are_kept():
    indices = RANDOM.randint(0, 256, (30, 41)).astype(np.uint8)
    file = io.BytesIO()
    write_png(file, indices, voc_palette())
    with Image.open(file) as image:
        assert image.mode == "P" and np.array_equal(np.array(image), indices)
        assert np.array_equal(np.reshape(image.getpalette(), (-1, 3)), voc_palette())
