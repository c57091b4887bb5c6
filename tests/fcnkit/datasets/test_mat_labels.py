import re

import mat_datasets as made
import numpy as np
import pytest

from caffeformat import FormatError, InputError
from fcnkit.datasets import (
    context_label,
    context_table,
    mat_labels,
    nyud_label,
    sbd_label,
    siftflow_label,
)

pytest.importorskip("scipy")

LABEL = np.array([[0, 3], [20, 1]], np.uint8)


def test_files_and_bytes_are_read_alike(tmp_path):
    content = made.sbd_mat(LABEL)
    (tmp_path / "a.mat").write_bytes(content)
    for source in (content, tmp_path / "a.mat"):
        found = sbd_label(source)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, LABEL)


def test_void_is_255_and_classes_start_at_0():
    np.testing.assert_array_equal(nyud_label(made.mat(segmentation=LABEL)), [[255, 2], [19, 0]])
    geometric = np.array([[-1, 0], [1, 3]], np.int16)
    np.testing.assert_array_equal(siftflow_label(made.mat(S=geometric)), [[255, 255], [0, 2]])


@pytest.mark.parametrize(
    "content, words",
    [
        (made.mat(other=LABEL), "expected the variable segmentation, found other"),
        (made.mat(segmentation=np.full((2, 2), 41)), "0 to 40, found 41 at x=0, y=0"),
        (made.mat(segmentation=np.zeros((2, 2, 2))), r"H x W class indices.*\(2, 2, 2\)"),
        (made.mat(segmentation="text"), "H x W class indices"),
        (b"no matlab file at all" * 20, "cannot be read as a MATLAB file"),
        (made.mat(segmentation=LABEL)[:150], "cannot be read as a MATLAB file"),
    ],
)
def test_other_content_is_reported_with_the_file(content, words):
    with pytest.raises(FormatError, match=f"img_1.*{words}"):
        nyud_label(content, "img_1.mat")


NAN, HUGE = float("nan"), 10.0**300


@pytest.mark.parametrize(
    "value", [1.5, 0.999, -1.5, NAN, float("inf"), -float("inf"), HUGE, 255, 256]
)
@pytest.mark.parametrize(
    "read, variable",
    [
        (nyud_label, "segmentation"),
        (siftflow_label, "S"),
        (lambda *source: context_label(source[0], np.zeros(60, np.uint8), source[1]), "LabelMap"),
    ],
)
def test_values_that_are_not_indices_are_refused_and_named(read, variable, value):
    label = np.ones((3, 4))
    label[2, 1] = label[2, 3] = value
    words = (
        rf"a\.mat: expected whole .*found {re.escape(str(value))}\S* at x=1, y=2 .* 2 of 12 pixels"
    )
    with pytest.raises(FormatError, match=words):
        read(made.mat(**{variable: label}), "a.mat")


@pytest.mark.parametrize("value", [-1, 21, 254, 2.5, NAN, 300])
def test_sbd_has_vocs_classes_and_void(value):
    label = np.array([[0.0, 20.0, 255.0]])
    np.testing.assert_array_equal(sbd_label(made.sbd_mat(label)), label)
    label[0, 1] = value
    with pytest.raises(FormatError, match=r"0 to 20 or 255, found .* at x=1, y=0"):
        sbd_label(made.sbd_mat(label))


def test_geometric_labels_have_three_classes():
    content = made.mat(S=np.array([[1, 4]]))
    assert siftflow_label(content).tolist() == [[0, 3]]
    with pytest.raises(FormatError, match="-255 to 3, found 4"):
        siftflow_label(content, classes=3)


def test_sift_flows_labels_have_to_be_numbers():
    with pytest.raises(FormatError, match=r"a\.mat.*H x W class indices"):
        siftflow_label(made.mat(S="text"), "a.mat")


def test_a_struct_without_segmentation_is_reported():
    with pytest.raises(FormatError, match=r"GTcls\.Segmentation"):
        sbd_label(made.mat(GTcls={"Boundaries": LABEL}))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(InputError, match="absent"):
        sbd_label(tmp_path / "absent.mat")


def test_contexts_classes_are_found_by_name():
    table, names = context_table(made.CONTEXT_LABELS, made.CONTEXT_59)
    assert names == ["background", "aeroplane", "bedcloth", "clothes", "diningtable", "nightstand"]
    np.testing.assert_array_equal(table, [0, 0, 1, 2, 3, 4, 5])
    with pytest.raises(FormatError, match="zebra"):
        context_table(made.CONTEXT_LABELS, b"1: zebra\n")
    with pytest.raises(FormatError, match=r"labels\.txt:2"):
        context_table(b"1: a\nb\n", b"1: a\n")


def test_more_classes_than_labels_can_hold_are_refused():
    names = b"".join(b"%d: class%d\n" % (number, number) for number in range(1, 260))
    with pytest.raises(FormatError, match=r"59_labels\.txt.*more than the 254 classes"):
        context_table(names, names)


def test_a_struct_that_unpacks_to_more_than_any_label_is_refused(monkeypatch):
    content = made.sbd_mat(np.zeros((100, 100), np.uint8))
    assert len(content) < 2000
    monkeypatch.setattr(mat_labels, "_MOST_BYTES", 5000)
    with pytest.raises(FormatError, match="refused: 5001 "):
        sbd_label(content)
    monkeypatch.setattr(mat_labels, "_MOST_BYTES", 50_000)
    assert sbd_label(content).shape == (100, 100)
