"""Averages of several passes, against a plain reference of the same formula."""

import numpy as np
import pytest
from averaged_passes import reference, resize, softmax, window_starts
from PIL import Image

from caffeformat import InputError
from fcnkit import nets
from fcnkit.inference import Evaluation, averaging, parse_scales


def score(planes):
    """A "net" that sees neighbours, borders and directions: four scores."""
    planes = np.asarray(planes, float)
    left = np.zeros_like(planes)
    left[:, :, 1:] = planes[:, :, :-1]
    up = np.zeros_like(planes)
    up[:, 1:] = planes[:, :-1]
    return np.stack([planes[0], 2 * left[1] - up[0], up[1] * 0.5, 0.3 - planes[1]])


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("most", [1 << 26, 4000])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"window": 16},
        {"flip": True},
        {"scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), "flip": True, "window": 24},
        {"scales": (0.3, 2.2), "window": 17},
        {"scales": (0.5, 1.75)},
    ],
)
@pytest.mark.parametrize("shape", [(53, 71), (16, 90), (1, 5), (40, 40)])
def test_passes_are_averaged_as_the_formula_says(shape, options, most):
    plan = Evaluation(**options)
    planes = np.random.RandomState(1).standard_normal((2, *shape)).astype(np.float32)
    expected = reference(planes, score, **options)

    def net(part):
        made = softmax(score(part))
        if plan.flip:
            made = (made + softmax(score(part[:, :, ::-1]))[:, :, ::-1]) / 2
        return made.astype(np.float32)

    passes = averaging.Passes(
        shape,
        plan.scales,
        lambda top, left, bottom, right: planes[:, top:bottom, left:right],
        net,
        lambda size: tuple(min(extent, plan.window or extent) for extent in size),
    )
    made = np.full((4, *shape), np.nan, np.float32)
    for rows, columns, block in passes.blocks(4, most):
        assert np.isnan(made[:, rows, columns]).all()
        made[:, rows, columns] = block
        assert block.size <= max(most, 4 * 16 * 16) or plan.window is None
    assert np.abs(made - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("old", "new"), [((20, 31), (33, 17)), ((50, 41), (20, 20)), ((3, 4), (3, 9))]
)
def test_resizing_is_pillow_s(old, new):
    planes = np.random.RandomState(0).standard_normal((2, *old)).astype(np.float32)
    down, across = (averaging.Taps(o, n, 0, n) for o, n in zip(old, new))
    expected = [np.asarray(Image.fromarray(p).resize(new[::-1], Image.BILINEAR)) for p in planes]
    assert np.allclose(averaging.resized(planes, down, across), expected, atol=1e-6)
    assert np.allclose(resize(planes, new), expected, atol=1e-6)


def test_windows_are_two_thirds_of_their_size_apart_and_end_at_the_border():
    assert nets.window_starts(480, 480) == nets.window_starts(100, 480) == [0]
    assert nets.window_starts(500, 480) == [0, 20]
    assert nets.window_starts(1000, 480) == [0, 320, 520]
    assert nets.window_starts(800, 480) == [0, 320]
    for extent in range(1, 200):
        assert nets.window_starts(extent, 30) == window_starts(extent, 30)


@pytest.mark.parametrize(
    ("text", "scales"),
    [
        ("0.5:1.75", (0.5, 0.75, 1, 1.25, 1.5, 1.75)),
        ("0.75,1,1.25", (0.75, 1, 1.25)),
        ("1", (1,)),
        ("1:1", (1,)),
        (" 0.5 , 2", (0.5, 2)),
    ],
)
def test_scales_are_read(text, scales):
    assert parse_scales(text) == scales == Evaluation(scales).scales


@pytest.mark.parametrize(
    "text",
    ["", "a", "1:", ":1", "2:1", "0.5:1.6", "0:1:2", "1,", "0.5:99", "nan:1", "inf", "0", "-1"],
)
def test_scales_that_are_none(text):
    with pytest.raises(InputError, match="scale"):
        Evaluation(parse_scales(text))


def test_evaluations_that_cannot_be():
    for options, words in (
        ({"window": 0}, "a window of 0 pixels"),
        ({"scales": ()}, "0 scales"),
        ({"scales": (float("nan"),)}, "scale nan"),
        ({"scales": (1.0,) * 33}, "33 scales"),
    ):
        with pytest.raises(InputError, match=words):
            Evaluation(**options)
    assert Evaluation().is_plain and Evaluation((1,)).is_plain
    assert not any(
        e.is_plain for e in (Evaluation((2,)), Evaluation(flip=True), Evaluation(window=99))
    )
