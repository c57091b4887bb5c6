import numpy as np
import pytest

from fcnkit.inference import BoundaryCounts, ConfusionMatrix, Scoreboard


def eroded(mask, times):
    """A mask without what is within `times` pixels of its border or of the image's edge."""
    for _ in range(times):
        padded = np.pad(mask, 1)
        shifted = [
            padded[row : row + mask.shape[0], column : column + mask.shape[1]]
            for row in range(3)
            for column in range(3)
        ]
        mask = np.all(shifted, 0)
    return mask


def boundary_iou(prediction, label, ignore=255):
    """As the paper defines it: (intersection, union) of the borders of each of three classes."""
    wide = max(1, round(0.02 * np.hypot(*label.shape)))
    found = []
    for index in range(3):
        made, true = ((each == index) & (label != ignore) for each in (prediction, label))
        made, true = (mask & ~eroded(mask, wide) for mask in (made, true))
        found.append([np.sum(made & true), np.sum(made | true)])
    return np.array(found)


@pytest.mark.parametrize("shape", [(60, 90), (33, 20), (3, 5), (1, 40), (150, 120)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_it_is_what_the_paper_defines(shape, dtype):
    random = np.random.RandomState(sum(shape))

    def regions(values):
        small = random.choice(values, (-(-shape[0] // 9), -(-shape[1] // 11)))
        return np.kron(small, np.ones((9, 11), int))[: shape[0], : shape[1]].astype(dtype)

    counts, expected = BoundaryCounts(3), np.zeros((3, 2), int)
    for _ in range(3):
        prediction, label = regions([0, 1, 2]), regions([0, 1, 2, 2, 255])
        counts.update(prediction, label)
        expected += boundary_iou(prediction, label)
    assert counts.common.tolist() == expected[:, 0].tolist()
    assert counts.either.tolist() == expected[:, 1].tolist()
    present = expected[:, 1] > 0
    assert counts.iou[present] == pytest.approx(expected[present, 0] / expected[present, 1])
    assert np.isnan(counts.iou[~present]).all()


def test_a_mask_that_is_right_wherever_it_counts_scores_one():
    label = np.zeros((50, 60), np.uint8)
    label[10:30, 10:40], label[8:10] = 1, 255
    prediction = label.copy()
    prediction[label == 255] = np.arange(120).reshape(2, 60).ravel() % 2
    board = Scoreboard(3)
    board.add("x", prediction, label)
    assert board.boundaries.iou[:2].tolist() == [1, 1] and np.isnan(board.boundaries.iou[2])
    assert board.boundaries.mean_iou == 1


def test_it_sees_borders_where_the_iou_sees_areas():
    label = np.zeros((300, 300), np.uint8)
    label[50:250, 50:250] = 1
    prediction = np.roll(label, 5, axis=1)
    board = Scoreboard(2)
    board.add("x", prediction, label)
    assert board.matrix.iou[1] > 0.95 > 0.6 > board.boundaries.iou[1]


def test_precision_recall_and_f1():
    matrix = ConfusionMatrix(4)
    matrix.update(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 255]))
    matrix.update(np.array([2]), np.array([0]))
    assert matrix.precision[:3] == pytest.approx([1 / 2, 1, 0])
    assert matrix.recall[:2] == pytest.approx([1 / 2, 2 / 3]) and np.isnan(matrix.recall[2])
    assert matrix.f1[:3] == pytest.approx([1 / 2, 4 / 5, 0])
    assert np.isnan([matrix.precision[3], matrix.recall[3], matrix.f1[3]]).all()
    # Dice and IoU of a class belong together.
    assert matrix.f1[:3] == pytest.approx(2 * matrix.iou[:3] / (1 + matrix.iou[:3]))
    assert matrix.mean_f1 == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)
