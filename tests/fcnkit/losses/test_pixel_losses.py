"""Losses against their formulae, written out pixel by pixel in float64, and against differences."""

import math

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit import losses

SCORES = np.random.RandomState(3).standard_normal((2, 3, 2, 4)).astype(np.float32) * 2
LABELS = np.random.RandomState(4).randint(0, 3, (2, 1, 2, 4)).astype(np.float32)
LABELS[0, 0, 0, :2] = 255

CASES = [
    (losses.softmax, {}),
    (losses.focal, {"gamma": 2.0}),
    (losses.focal, {"gamma": 0.5}),
    (losses.hard_pixels, {"threshold": 0.4, "keep": 0.0}),
    (losses.hard_pixels, {"threshold": 1e-6, "keep": 0.5}),
    (losses.dice, {"smooth": 1.0}),
    (losses.dice, {"smooth": 0.1, "squared": True}),
    (losses.dice, {"smooth": 1.0, "present": False}),
]


def pixels_of(scores=SCORES):
    """(probabilities, label) of every pixel that counts, in plain Python numbers."""
    found = []
    for n, y, x in np.ndindex(2, 2, 4):
        if LABELS[n, 0, y, x] != 255:
            raised = [math.exp(float(v)) for v in scores[n, :, y, x]]
            found.append(([v / sum(raised) for v in raised], int(LABELS[n, 0, y, x])))
    return found


def expected(function, options, scores=SCORES):
    pixels = pixels_of(scores)
    if function is losses.dice:
        smooth, power = options["smooth"], 2 if options.get("squared") else 1
        used = {t for _, t in pixels} if options.get("present", True) else {0, 1, 2}
        shares = []
        for k in sorted(used):
            both = sum(p[k] for p, t in pixels if t == k)
            size = sum(p[k] ** power for p, _ in pixels) + sum(t == k for _, t in pixels)
            shares.append((2 * both + smooth) / (size + smooth))
        return 1 - sum(shares) / len(shares)
    true = sorted(p[t] for p, t in pixels)
    if function is losses.hard_pixels:
        least = math.ceil(options["keep"] * len(true))
        true = true[: max(least, sum(p < options["threshold"] for p in true))]
    gamma = options.get("gamma", 0)
    return sum(-((1 - p) ** gamma) * math.log(p) for p in true) / len(true)


@pytest.mark.parametrize(("function", "options"), CASES)
def test_values_are_those_of_the_formula(function, options):
    value, _ = function(SCORES, LABELS, 255, **options)
    assert value == pytest.approx(expected(function, options), rel=1e-5)


@pytest.mark.parametrize(("function", "options"), CASES)
def test_gradients_are_those_of_differences(function, options):
    _, gradient = function(SCORES, LABELS, 255, **options)
    found = gradient()
    assert found.shape == SCORES.shape and found.dtype == np.float32
    step = 1e-5
    for index in np.ndindex(*SCORES.shape):
        ends = []
        for sign in (1, -1):
            moved = SCORES.astype(np.float64)
            moved[index] += sign * step
            ends.append(expected(function, options, moved))
        difference = (ends[0] - ends[1]) / (2 * step)
        assert found[index] == pytest.approx(difference, rel=2e-3, abs=2e-5), index


def test_hand_made_values():
    scores = np.log(np.array([[0.8, 0.2], [0.4, 0.6]], np.float32)).T.reshape(1, 2, 1, 2)
    labels = np.zeros((1, 1, 1, 2), np.float32)
    assert losses.softmax(scores, labels)[0] == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    focal = -(0.04 * math.log(0.8) + 0.36 * math.log(0.4)) / 2
    assert losses.focal(scores, labels)[0] == pytest.approx(focal)
    assert losses.hard_pixels(scores, labels)[0] == pytest.approx(-math.log(0.4))
    # Dice of class 0: (2 * 1.2 + 1) / (1.2 + 2 + 1)
    assert losses.dice(scores, labels)[0] == pytest.approx(1 - 3.4 / 4.2)


def test_certain_pixels_and_batches_without_labels_stay_finite():
    scores = np.zeros((1, 3, 1, 2), np.float32)
    scores[:, 1] = 200
    certain = np.ones((1, 1, 1, 2), np.float32)
    for labels in (certain, np.full_like(certain, 255), certain * 2):
        for function, options in CASES:
            value, gradient = function(scores, labels, 255, **options)
            assert np.isfinite(value) and np.isfinite(gradient()).all()
    assert losses.focal(scores, np.full_like(certain, 255), 255)[0] == 0


@pytest.mark.parametrize("label", [3, 254, -1])
def test_a_label_that_is_no_class_is_named(label):
    labels = np.full((2, 1, 2, 4), label, np.float32)
    with pytest.raises(InputError, match=f"a label is {label}, but the net scores classes 0 to 2"):
        losses.dice(SCORES, labels, 255)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("tversky", "", "expected one of dice, focal, hard_pixels"),
        ("focal", "{", "not JSON"),
        ("focal", "[1]", "expected JSON such as"),
        ("focal", '{"keep": 1}', "there is no option keep"),
        ("focal", '{"gamma": "2"}', "gamma: expected 0 to 100, found '2'"),
        ("dice", '{"squared": 1}', "squared: expected true or false"),
        ("dice", '{"ignore_label": 0.5}', "ignore_label: expected a whole number"),
        ("dice", {"ignore_label": 10**5000}, "of 32 bits, found a number of 16610 bits"),
        ("dice", {"smooth": 10**5000}, "found a number of 16610 bits"),
        ("hard_pixels", '{"keep": 2}', "keep: expected 0 to 1"),
    ],
)
def test_wrong_options_are_named(name, given, words):
    with pytest.raises(InputError) as error:
        losses.parse_loss_options(name, given)
    assert words in str(error.value)


def test_an_ignored_label_may_come_from_a_command_line():
    assert losses.parse_loss(["dice", "ignore_label=255"])[1]["ignore_label"] == 255
    for text in ("ignore_label=2.5", "ignore_label=inf", "ignore_label=1e12"):
        with pytest.raises(InputError, match="expected a whole number of 32 bits"):
            losses.parse_loss(["dice", text])
