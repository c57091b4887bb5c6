import numpy as np
import pytest

from caffeformat import InputError, write_blob
from fcnkit.images import Preprocessor, parse_mean

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_channels_come_first_as_bgr_then_mean_then_scale():
    data = Preprocessor([10, 20, 30], 0.5)(IMAGE)
    assert data.shape == (1, 3, 2, 4) and data.dtype == np.float32
    assert np.array_equal(data[0, 0], (IMAGE[:, :, 2] - 10.0) * 0.5)
    assert np.array_equal(data[0, 2], (IMAGE[:, :, 0] - 30.0) * 0.5)


def test_rgb_order_keeps_red_first():
    data = Preprocessor([1, 0, 0], channels="RGB")(IMAGE)
    assert np.array_equal(data[0, 0], IMAGE[:, :, 0] - 1.0)


def test_a_mean_image_is_subtracted_by_pixel_if_sizes_agree_else_as_colour():
    mean = np.random.RandomState(0).rand(3, 2, 4).astype(np.float32)
    same = Preprocessor(mean)(IMAGE)
    assert np.allclose(same[0], IMAGE[:, :, ::-1].transpose(2, 0, 1) - mean)
    other = Preprocessor(mean)(IMAGE[:, :3])
    expected = IMAGE[:, :3, ::-1].transpose(2, 0, 1) - mean.mean((1, 2))[:, None, None]
    assert np.allclose(other[0], expected, atol=1e-5)


def test_means_are_read_from_numbers_and_text(tmp_path):
    assert parse_mean("104,117,123").tolist() == [104, 117, 123]
    assert parse_mean("116").tolist() == [116]
    assert parse_mean("1 2,3 4").tolist() == [1, 2, 3, 4]
    (tmp_path / "mean.txt").write_text("# blue green red\n1.5 2 3\n")
    assert parse_mean(str(tmp_path / "mean.txt")).tolist() == [1.5, 2, 3]


@pytest.mark.parametrize("text", ["no/such/file", "1,2,x"])
def test_a_wrong_mean_is_named(text):
    with pytest.raises(InputError, match="expected"):
        parse_mean(text)


def test_a_text_without_numbers_is_named(tmp_path):
    path = tmp_path / "mean.txt"
    path.write_text("# 1 2\nnone\n")
    with pytest.raises(InputError, match=r"mean\.txt.*found none"):
        parse_mean(str(path))


@pytest.mark.parametrize("channels", [1, 2, 4, 10])
def test_channels_other_than_three_keep_their_order(channels):
    image = np.random.RandomState(0).randint(0, 65536, (3, 5, channels)).astype(np.uint16)
    mean = np.arange(channels, dtype=np.float32)
    data = Preprocessor(mean, 0.5)(image)
    expected = (image.transpose(2, 0, 1).astype(np.float32) - mean[:, None, None]) * 0.5
    assert data.dtype == np.float32 and np.array_equal(data[0], expected)
    assert np.array_equal(Preprocessor([7])(image)[0], image.transpose(2, 0, 1) - 7.0)


def test_a_mean_of_another_number_of_channels_is_refused():
    with pytest.raises(InputError, match="the mean has 2 channels, the net's input 3: pass mean"):
        Preprocessor([1, 2])(IMAGE)


@pytest.mark.parametrize("shape", [(3, 2, 4), (1, 3, 2, 4)])
def test_a_mean_image_is_read_as_channels_of_pixels(tmp_path, shape):
    path, mean = str(tmp_path / "mean.binaryproto"), np.arange(24, dtype=np.float32)
    write_blob(path, mean.reshape(shape))
    assert np.array_equal(parse_mean(path), mean.reshape(3, 2, 4))


def test_a_mean_image_that_is_none_is_named(tmp_path):
    path = str(tmp_path / "mean.binaryproto")
    write_blob(path, np.zeros((3, 8), np.float32))
    with pytest.raises(InputError, match=r"mean\.binaryproto.*a mean image.*found 3 x 8"):
        parse_mean(path)
