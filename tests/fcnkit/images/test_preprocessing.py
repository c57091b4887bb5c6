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
    assert parse_mean("116").tolist() == [116, 116, 116]
    (tmp_path / "mean.txt").write_text("# blue green red\n1.5 2 3\n")
    assert parse_mean(str(tmp_path / "mean.txt")).tolist() == [1.5, 2, 3]


@pytest.mark.parametrize("text", ["1,2", "no/such/file", "1,2,x"])
def test_a_wrong_mean_is_named(text):
    with pytest.raises(InputError, match="expected"):
        parse_mean(text)


def test_a_text_without_three_numbers_is_named(tmp_path):
    path = tmp_path / "mean.txt"
    path.write_text("1 2\n")
    with pytest.raises(InputError, match=r"mean\.txt.*found 2"):
        parse_mean(str(path))


@pytest.mark.parametrize("shape", [(3, 2, 4), (1, 3, 2, 4)])
def test_a_mean_image_is_read_as_channels_of_pixels(tmp_path, shape):
    path, mean = str(tmp_path / "mean.binaryproto"), np.arange(24, dtype=np.float32)
    write_blob(path, mean.reshape(shape))
    assert np.array_equal(parse_mean(path), mean.reshape(3, 2, 4))


@pytest.mark.parametrize("shape", [(1, 6, 4), (2, 3, 2, 2), (3, 8)])
def test_a_mean_image_of_other_channels_is_named(tmp_path, shape):
    path = str(tmp_path / "mean.binaryproto")
    write_blob(path, np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=r"mean\.binaryproto.*3 x H x W, found shape"):
        parse_mean(path)
