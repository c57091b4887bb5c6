"""Generated shapes in images of other sizes, PASCAL VOC's among them."""

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit.demo.generated_shapes import IGNORE, VOC_RADIUS, VOC_SIZE, draw_image


def test_images_and_labels_have_the_requested_size():
    image, label, boxes = draw_image(np.random.RandomState(0), size=(60, 90), radius=(10, 20))
    assert image.shape == (60, 90, 3) and label.shape == (60, 90)
    assert boxes


def test_shapes_of_vocs_size_have_the_area_of_their_radius():
    random = np.random.RandomState(2)
    for _ in range(3):
        _, label, boxes = draw_image(random, VOC_SIZE, radius=VOC_RADIUS, shapes=(1, 1))
        (box,) = boxes
        area = np.count_nonzero((label == box[0]) | (label == IGNORE))
        # Part of a shape may lie outside; half of its border's pixels do.
        assert 0.6 * np.pi * VOC_RADIUS[0] ** 2 < area < 1.1 * np.pi * VOC_RADIUS[1] ** 2


def test_shapes_larger_than_the_image_are_refused():
    with pytest.raises(InputError, match=r"radius 14 to 24 in an image of 40x40: .* 20"):
        draw_image(np.random.RandomState(0), size=(40, 40))
