import numpy as np
import pytest

from caffeformat import FormatError, read_blob, read_mean, write_blob


@pytest.mark.parametrize("shape", [(3, 2, 4), (1, 3, 2, 4), (1, 1, 3, 2, 4)])
def test_a_mean_image_has_channels_rows_and_columns(tmp_path, shape):
    path, values = tmp_path / "mean.binaryproto", np.arange(24, dtype=np.float32)
    write_blob(path, values.reshape(shape))
    assert read_blob(path).shape == shape
    assert np.array_equal(read_mean(path), values.reshape(3, 2, 4))


@pytest.mark.parametrize("shape", [(), (24,), (3, 8), (2, 3, 2, 2), (3, 0, 4)])
def test_other_blobs_are_no_mean_image(tmp_path, shape):
    path = tmp_path / "mean.binaryproto"
    write_blob(path, np.zeros(shape, np.float32))
    with pytest.raises(FormatError, match=r"mean\.binaryproto: expected a mean image"):
        read_mean(path)
