import numpy as np
import pytest
from PIL import Image

from fcnkit.images import voc_palette
from fcnkit.inference import ConfusionMatrix, Scoreboard, draw_confusion, score, worst_sheet


def drawn(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("count", [1, 2, 21, 60, 200])
def test_a_confusion_matrix_of_any_size_is_drawn(tmp_path, count):
    matrix = ConfusionMatrix(count)
    matrix.counts[:] = np.eye(count, dtype=int) * 90 + 1
    names = [f"class $x_{i}$ \x1b a name that is long" for i in range(count)]
    draw_confusion(tmp_path / "confusion.png", matrix, names)
    picture = drawn(tmp_path / "confusion.png")
    assert min(picture.shape[:2]) >= 200 and max(picture.shape[:2]) <= 3000
    blue = picture[..., 2].astype(int) - picture[..., 0]
    assert (blue > 60).any()  # dark cells of the diagonal


@pytest.mark.slow
def test_rows_without_labels_are_drawn(tmp_path):
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([0, 1, 2]), np.array([0, 0, 1]))
    draw_confusion(tmp_path / "confusion.png", matrix)
    assert drawn(tmp_path / "confusion.png").size
    draw_confusion(tmp_path / "empty.png", ConfusionMatrix(3))
    assert drawn(tmp_path / "empty.png").size


def samples():
    label = np.zeros((20, 30), np.uint8)
    label[:, 20:] = 1
    label[:2] = 255
    for name, wrong in (("good", 0), ("worst", 20), ("bad", 10), ("ignored", 0)):
        prediction = label.copy()
        prediction[:2] = 2
        prediction[2:, :wrong] = 2
        yield name, prediction, np.full_like(label, 255) if name == "ignored" else label, 4


def test_the_worst_images_come_first_on_their_sheet():
    board = score(samples(), 3, keep=2)
    assert [found.name for found, _, _ in board.worst] == ["worst", "bad"]
    asked = []
    images = {"worst": np.full((20, 30, 3), 99, np.uint8)}
    sheet = worst_sheet(board, voc_palette(), lambda name: asked.append(name) or images.get(name))
    assert asked == ["worst", "bad"]
    assert sheet.shape[1] > 4 * 320 and sheet.dtype == np.uint8
    red = (sheet == (255, 0, 0)).all(2)
    # Each sheet's cell is 320x240: 18 of 20 rows, and 20 or 10 of 30 columns, are wrong.
    assert red.sum() == pytest.approx((18 * 20 + 18 * 10) * (320 / 30) ** 2, rel=0.05)


def test_a_sheet_without_images_shows_labels_and_masks():
    board = Scoreboard(3, keep=5)
    for name, prediction, label, _ in samples():
        board.add(name, prediction, label)
    assert len(board.worst) == 3
    sheet = worst_sheet(board, voc_palette())
    assert 3 * 320 < sheet.shape[1] < 4 * 320
