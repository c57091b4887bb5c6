"""pycaffe's io: images, Datums, BlobProtos and the Transformer."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import InputError
from torchcaffe import io
from torchcaffe.proto import caffe_pb2


def test_image_is_rgb_from_0_to_1(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = 255, 51, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = io.load_image(tmp_path / "a.png")
    assert image.shape == (2, 3, 3) and image.dtype == np.float32
    np.testing.assert_allclose(image[0, 0], [1, 0.2, 0])
    assert io.load_image(tmp_path / "a.png", color=False).shape == (2, 3, 1)
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png"):
        io.load_image(tmp_path / "b.png")


def test_resizing_samples_at_pixel_centres_or_from_corner_to_corner():
    ramp = np.tile(np.arange(8, dtype=np.float32)[None, :, None], (4, 1, 3))
    double = io.resize_image(ramp, (8, 16))
    np.testing.assert_allclose(double[3, 1:-1, 0], np.arange(1, 15) / 2 - 0.25, rtol=1e-5)
    more_channels = io.resize_image(ramp[:, :, [0, 0, 0, 0, 0]], (8, 15))
    np.testing.assert_allclose(more_channels[3, :, 4], np.arange(15) / 2, atol=1e-5)
    with pytest.raises(InputError, match="interp_order"):
        io.resize_image(ramp, (8, 16), interp_order=2)


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        (np.uint8, [0, 1], [0, 1, 1]),
        (np.int8, [-3, 0], [-3, -2, 0]),
        (np.int32, [0, 5], [0, 3, 5]),
        (np.float64, [0, 1], [0, 0.5, 1]),
    ],
)
def test_whole_numbers_of_other_channels_are_rounded(type_, values, expected):
    """As SciPy does, which pycaffe asks for images of other than one or three channels."""
    image = np.array(values, type_).reshape(1, 2, 1).repeat(2, 2)
    found = io.resize_image(image, (1, 3))
    assert found.dtype == np.float32 and found[0, :, 1].tolist() == expected


def test_blobproto_and_datum_hold_the_array():
    array = np.random.RandomState(0).rand(2, 3, 4).astype(np.float32)
    blob = io.array_to_blobproto(array, diff=-array)
    np.testing.assert_array_equal(io.blobproto_to_array(blob), array)
    np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), -array)
    old = caffe_pb2.BlobProto(num=1, channels=2, height=1, width=3, data=range(6))
    assert io.blobproto_to_array(old).shape == (1, 2, 1, 3)
    text = io.arraylist_to_blobprotovector_str([array, array[0]])
    np.testing.assert_array_equal(io.blobprotovector_str_to_arraylist(text)[1], array[0])
    datum = io.array_to_datum(array, 7)
    assert datum.label == 7
    np.testing.assert_array_equal(io.datum_to_array(datum), array)
    for made in (io.blobproto_to_array(blob), io.datum_to_array(datum)):
        assert made.dtype == np.float64
    assert io.datum_to_array(io.array_to_datum(array.astype(np.uint8))).dtype == np.uint8


def test_transformer_does_all_steps_in_order_and_back():
    transformer = io.Transformer({"data": (1, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([1, 2, 3]))
    transformer.set_input_scale("data", 0.5)
    image = np.random.RandomState(0).rand(4, 5, 3).astype(np.float32)
    result = transformer.preprocess("data", image)
    mean = np.array([1, 2, 3])[:, None, None]
    expected = (image.transpose(2, 0, 1)[::-1] * 255 - mean) * 0.5
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    back = transformer.deprocess("data", result)
    np.testing.assert_allclose(back, image, atol=1e-6)
    assert result.dtype == back.dtype == np.float32  # whatever the types of mean and scales
    with pytest.raises(InputError, match='"label" is not an input'):
        transformer.set_raw_scale("label", 1)
    with pytest.raises(InputError, match="2 channels"):
        transformer.set_mean("data", np.array([1, 2]))


def test_oversampling_takes_corners_centre_and_mirrors():
    image = np.arange(6 * 8, dtype=np.float32).reshape(6, 8, 1)
    crops = io.oversample([image], (4, 4))
    assert crops.shape == (10, 4, 4, 1)
    np.testing.assert_array_equal(crops[3], image[2:, 4:])
    np.testing.assert_array_equal(crops[4], image[1:5, 2:6])
    np.testing.assert_array_equal(crops[9], crops[4][:, ::-1])
