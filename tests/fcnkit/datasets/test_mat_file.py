"""What the process that reads MATLAB files returns and refuses, called in this one."""

import io

import mat_datasets as made
import numpy as np
import pytest

from fcnkit.datasets import mat_file

savemat = pytest.importorskip("scipy.io").savemat

LABEL = np.array([[0, 3, 7], [20, 1, 2]], np.uint8)


def read(content, variable="S", field=None, most=1000):
    """The array that a request's answer describes."""
    values = {"variable": variable, "field": field, "most": most}
    found, data = mat_file.read(values, content)
    return np.frombuffer(data, found["dtype"]).reshape(found["shape"])


def plain(**variables):
    """The bytes of a MATLAB file that is not compressed."""
    file = io.BytesIO()
    savemat(file, variables)
    return file.getvalue()


@pytest.mark.parametrize("write", [made.mat, plain])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64, np.dtype(">i4")])
def test_a_variable_comes_with_its_dtype_and_shape(write, dtype):
    found = read(write(other=LABEL[:1], S=LABEL.astype(dtype)))
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, LABEL)


def test_a_field_of_a_struct_is_found():
    content = made.mat(GTcls={"Boundaries": LABEL[:, :1], "Segmentation": LABEL})
    np.testing.assert_array_equal(read(content, "GTcls", "Segmentation"), LABEL)
    with pytest.raises(mat_file.Refused, match=r"expected GTcls\.Labels, found a GTcls without it"):
        read(content, "GTcls", "Labels")


def test_numbers_have_no_fields():
    with pytest.raises(mat_file.Refused, match=r"expected S\.Segmentation, found a S without it"):
        read(made.mat(S=LABEL), field="Segmentation")


def test_a_missing_variable_is_named_with_those_that_are_there():
    with pytest.raises(mat_file.Refused, match="expected the variable S, found a, b"):
        read(made.mat(a=LABEL, b=LABEL))
    with pytest.raises(mat_file.Refused, match="expected the variable S, found none"):
        read(made.mat())


@pytest.mark.parametrize("value", ["text", LABEL * 1j, np.array([[LABEL]], object)])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(mat_file.Refused, match="expected H x W class indices, found"):
        read(made.mat(S=value))


def test_as_many_values_as_allowed_are_read_and_no_more():
    content = plain(S=LABEL)
    np.testing.assert_array_equal(read(content, most=6), LABEL)
    with pytest.raises(mat_file.Refused, match="refused: 6 values in S, more than 5"):
        read(content, most=5)


def test_what_is_packed_counts_unpacked_up_to_the_first_byte_too_many():
    content = made.mat(GTcls={"Segmentation": np.zeros((100, 100), np.uint8)})
    assert len(content) < 1000
    assert read(content, "GTcls", "Segmentation", most=20_000).shape == (100, 100)
    with pytest.raises(mat_file.Refused, match="refused: 5001 bytes or more in compressed"):
        read(content, "GTcls", "Segmentation", most=5000)


def test_all_packed_variables_count():
    packed = [made.mat(S=np.zeros((40, 40), np.uint8)), made.mat(T=np.zeros((50, 50), np.uint8))]
    both = packed[0] + packed[1][128:]  # behind the header, one after the other
    for name, shape in (("S", (40, 40)), ("T", (50, 50))):
        assert read(both, name, most=4500).shape == shape
        with pytest.raises(mat_file.Refused, match="refused: 4001 bytes or more"):
            read(both, name, most=4000)


def test_what_is_unpacked_holds_the_same_variables():
    value = np.arange(1600, dtype=np.uint16).reshape(40, 40)
    content = mat_file._unpacked(made.mat(S=value), 10_000)
    assert 3200 < len(content) < 3500  # two bytes a value, and their headers
    np.testing.assert_array_equal(read(content, most=1600), value)


@pytest.mark.parametrize("content", [plain(S=LABEL), b"no matlab file" * 50, b""])
def test_other_files_have_nothing_packed(content):
    assert mat_file._unpacked(content, 1000) == content
