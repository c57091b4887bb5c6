import json

import numpy as np
import pytest
from places import VECTORS

from caffeformat import InputError
from fcnkit.inference import ConfusionMatrix


def by_definition(prediction, label, n, ignore):
    """The four scores by loops over classes, straight from the formulas."""
    keep = label != ignore
    prediction, label = prediction[keep], label[keep]
    accuracies, ious, weighted = [], [], 0.0
    for c in range(n):
        hit = np.sum((label == c) & (prediction == c))
        truth, guess = np.sum(label == c), np.sum(prediction == c)
        union = truth + guess - hit
        if truth:
            accuracies.append(hit / truth)
            weighted += truth * hit / union
        if union:
            ious.append(hit / union)
    return np.mean(prediction == label), np.mean(accuracies), np.mean(ious), weighted / label.size


def test_scores_equal_the_definitions():
    rng = np.random.RandomState(0)
    label = rng.randint(0, 7, (40, 30)).astype(np.uint8)
    label[label == 5] = 255
    prediction = np.where(rng.rand(40, 30) < 0.6, label, rng.randint(0, 7, (40, 30)))
    prediction[prediction == 255] = 0
    matrix = ConfusionMatrix(9)
    matrix.update(prediction[:17], label[:17])
    matrix.update(prediction[17:], label[17:])
    scores = (
        matrix.pixel_accuracy,
        matrix.mean_accuracy,
        matrix.mean_iou,
        matrix.frequency_weighted_iou,
    )
    assert scores == pytest.approx(by_definition(prediction, label, 9, 255), abs=1e-12)


CASES = json.loads((VECTORS / "iou.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_vectors_that_all_rooms_share(case):
    matrix = ConfusionMatrix(case["classes"], case["ignore"])
    matrix.update(np.array(case["predicted"]), np.array(case["truth"]))
    assert matrix.counts.tolist() == case["confusion"]
    expected = [float("nan") if value is None else value for value in case["iou"]]
    assert np.allclose(matrix.iou, expected, equal_nan=True)
    for name in ("mean_iou", "pixel_accuracy"):
        wanted = float("nan") if case[name] is None else case[name]
        assert getattr(matrix, name) == pytest.approx(wanted, nan_ok=True), name


def test_worked_example_by_hand():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 255]]))
    assert matrix.counts.tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert matrix.iou[:2].tolist() == [0.5, 0.5]
    assert matrix.pixel_accuracy == pytest.approx(2 / 3)
    assert matrix.mean_accuracy == pytest.approx(0.75)


def test_absent_class_is_nan_and_left_out_but_a_false_alarm_counts():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([0, 0, 1, 0]), np.array([0, 0, 0, 0]))
    assert np.isnan(matrix.iou[2])
    assert matrix.iou[1] == 0
    assert matrix.mean_iou == pytest.approx(0.75 / 2)
    assert matrix.mean_accuracy == pytest.approx(0.75)


def test_nothing_counted_gives_nan_not_an_error():
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros((2, 2), int), np.full((2, 2), 255))
    assert matrix.total == 0
    assert np.isnan(matrix.mean_iou) and np.isnan(matrix.pixel_accuracy)


@pytest.mark.parametrize(
    ("prediction", "label", "words"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 3), int), ["pic", "3x2", "3x3"]),
        (
            np.zeros((2, 1), int),
            np.array([[0], [4]]),
            ["pic", "label", "index 4", "0 to 3", "255 for"],
        ),
        (np.full((2, 2), 9), np.zeros((2, 2), int), ["pic", "prediction", "index 9"]),
        (np.zeros((2, 2), int), np.full((2, 2), -1), ["label", "index -1"]),
    ],
)
def test_wrong_input_is_named_and_not_counted(prediction, label, words):
    matrix = ConfusionMatrix(4)
    with pytest.raises(InputError) as caught:
        matrix.update(prediction, label, name="pic")
    assert all(word in str(caught.value) for word in words)
    assert matrix.total == 0


def test_a_matrix_without_ignored_labels_says_nothing_of_them_and_needs_a_class():
    with pytest.raises(InputError) as caught:
        ConfusionMatrix(1, ignore=None).update(np.array([0]), np.array([255]))
    assert "255" in str(caught.value) and "ignore" not in str(caught.value)
    with pytest.raises(InputError, match="at least one class, got 0"):
        ConfusionMatrix(0)


def test_reset_forgets_all_counts():
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([0, 1]), np.array([0, 0]))
    matrix.reset()
    assert matrix.counts.tolist() == [[0, 0], [0, 0]]


def test_any_prediction_is_allowed_under_ignored_pixels():
    matrix = ConfusionMatrix(2)
    matrix.update(np.array([77, 1], np.uint8), np.array([255, 1], np.uint8))
    assert matrix.counts.tolist() == [[0, 0], [0, 1]]


def test_matrices_add_up():
    a, b = ConfusionMatrix(2), ConfusionMatrix(2)
    a.update(np.array([0, 1]), np.array([0, 0]))
    b.update(np.array([1, 1]), np.array([1, 1]))
    a += b
    assert a.counts.tolist() == [[1, 1], [0, 2]]
    with pytest.raises(InputError):
        a += ConfusionMatrix(3)


@pytest.mark.parametrize(
    ("prediction", "label", "words"),
    [
        (0, 3, "the label has class index 3.* pass .*classes.*; labels that count from 1 need"),
        (0, 7, "the label has class index 7.* pass .*classes.*, or correct the label$"),
        (7, 0, "the prediction has class index 7.*, or masks that were made for these$"),
        (255, 0, "the prediction has class index 255.*, with a class at every pixel$"),
    ],
)
def test_an_index_past_the_classes_comes_with_what_to_do(prediction, label, words):
    with pytest.raises(InputError, match=words):
        ConfusionMatrix(3).update(np.array([[prediction]]), np.array([[label]]))


def test_advice_names_an_option_only_where_there_is_one():
    with pytest.raises(InputError) as error:
        ConfusionMatrix(3).update(np.zeros((2, 2), int), np.full((2, 2), 7))
    assert "pass all classes with --classes," in error.value.for_command_line(
        {"classes": "--classes"}
    )
    said = error.value.for_command_line({"data": "--data"})
    assert "pass all classes with a net that scores them, or" in said
