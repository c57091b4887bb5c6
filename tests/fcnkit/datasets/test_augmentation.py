"""What is drawn: options as text and JSON, the tutorials' sets, draws that stay what they were."""

import json
import math

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit.datasets import (
    AUGMENTATION_SETS,
    USUAL_AUGMENTATION,
    Augmentation,
    augmentation_from,
    augmentation_texts,
    check_augmentation,
    parse_augmentation,
    parse_options,
)
from fcnkit.datasets.augmentation import draw

EVERYTHING = Augmentation(
    (32, 32), (0.5, 2.0), True, 10.0, (0.5, 1.0), 0.4, 0.4, 0.4, 0.1, 520, "uniform"
)


def drawn(augmentation, seed=(1, 0, 0), shape=(40, 60)):
    return draw(augmentation, shape, np.random.RandomState(seed))


# What the first release drew: crop, scale, flip; seed, epoch and position; window, source, flip.
FIRST = [
    ((33, 47), (3, 0, 0), (0, 0, 33, 47), (9.2857, 7.1429, 32.8571, 40.7143), False),
    ((64, 64), (3, 0, 0), (0, 0, 56, 64), (0.0, 5.0, 40.0, 50.7143), True),
    ((64, 64), (3, 1, 2), (13, 0, 62, 64), (0.0, 6.5753, 40.0, 59.1781), False),
    ((33, 47), (7, 5, 1), (0, 0, 33, 47), (1.1765, 4.7059, 40.0, 60.0), True),
    ((64, 64), (7, 5, 1), (19, 6, 53, 57), (0.0, 0.0, 40.0, 60.0), False),
]


@pytest.mark.parametrize(("crop", "seed", "window", "source", "flip"), FIRST)
@pytest.mark.parametrize("more", [{}, {"rotate": 10.0, "blur": (1, 1), "hue": 0.1}], ids=len)
def test_scale_crop_and_flip_are_drawn_as_ever_whatever_else_is(
    crop, seed, window, source, flip, more
):
    found = drawn(Augmentation(crop, (0.5, 2.0), True, **more), seed)
    assert found.placement.size == crop and found.placement.window == window
    assert found.placement.source == pytest.approx(source, abs=1e-4)
    assert found.flip is flip
    assert bool(found.angle or found.blur or found.colours) == bool(more)


def test_no_draw_depends_on_which_others_there_are():
    together = drawn(EVERYTHING)
    assert drawn(EVERYTHING) == together
    place = {"crop": (32, 32), "scale": (0.5, 2.0), "flip": True, "base": 520, "draw": "uniform"}
    assert drawn(Augmentation(**place, rotate=10.0)).angle == together.angle
    alone = drawn(Augmentation(**place, hue=0.1)).colours
    assert alone.hue == together.colours.hue and alone[:3] == (1, 1, 1)


def test_draws_fill_their_ranges():
    found = [drawn(EVERYTHING, (1, 0, place), (375, 500)) for place in range(400)]
    assert -10 <= min(d.angle for d in found) < -9 and 9 < max(d.angle for d in found) <= 10
    blurred = [d.blur for d in found if d.blur]
    assert 0.4 < len(blurred) / len(found) < 0.6 and 0.95 < max(blurred) <= 1
    for i, (low, high) in enumerate([(0.6, 1.4)] * 3 + [(-0.1, 0.1)]):
        values = [d.colours[i] for d in found]
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high
    assert 0.4 < np.mean([d.flip for d in found]) < 0.6


@pytest.mark.parametrize(("how", "middle"), [("log", 520), ("uniform", 650)])
@pytest.mark.parametrize("shape", [(375, 500), (500, 375), (30, 40)])
def test_the_longer_side_is_drawn_around_the_base(shape, how, middle):
    augmentation = augmentation_from({"base": 520, "draw": how})
    sizes = [drawn(augmentation, (1, 0, i), shape).placement.size for i in range(300)]
    sides = sorted(max(size) for size in sizes)
    assert 260 <= sides[0] < 280 and 1000 < sides[-1] <= 1040
    assert abs(sides[150] - middle) < 60
    assert all(abs(max(s) * min(shape) / max(shape) - min(s)) <= 1 for s in sizes)
    assert all((s[0] > s[1]) == (shape[0] > shape[1]) for s in sizes)


def test_small_images_lie_in_the_corner_or_anywhere():
    corner = [drawn(Augmentation((80, 80), pad="corner"), (1, 0, i)) for i in range(9)]
    assert {d.placement.window for d in corner} == {(0, 0, 40, 60)}
    anywhere = [drawn(Augmentation((80, 80)), (1, 0, i)) for i in range(9)]
    assert len({d.placement.window for d in anywhere}) > 5
    # Along an axis that has more than the crop, the crop lies anywhere either way.
    wide = [drawn(Augmentation((80, 20), pad="corner"), (1, 0, i)) for i in range(9)]
    assert len({d.placement.source for d in wide}) > 5


def test_options_as_json():
    assert augmentation_from({"crop": None, "scale": None, "flip": False}) is None
    assert augmentation_from({"crop": 32}) == Augmentation((32, 32))
    expected = Augmentation((8, 9), (2, 2), True)
    assert augmentation_from({"crop": [8, 9], "scale": 2, "flip": True}) == expected
    assert augmentation_from({"blur": 0.5}) == Augmentation(blur=(0.5, 1.0))
    assert augmentation_from({"base": 100, "scale": 1}) == Augmentation(base=100)
    assert augmentation_from({"base": 100}).scale == (0.5, 2)
    assert augmentation_from({"draw": "uniform", "pad": "corner", "source": "voc"}) is None


def test_options_as_text():
    assert parse_augmentation([]) == {"scale": [0.75, 1.5], "flip": True}
    texts = ["scale=0.5:2", "crop=240x320", "flip", "rotate=10", "blur=0.5:2", "brightness=0.4"]
    texts += ["contrast=0.3", "saturation=0.2", "hue=0.1", "base=520", "draw=uniform"]
    texts += ["interpolation=cubic", "pad=corner", "threads=3", "white=4095", "cache_mb=9"]
    assert parse_augmentation(texts) == {
        "scale": [0.5, 2.0],
        "crop": [240, 320],
        "flip": True,
        "rotate": 10.0,
        "blur": [0.5, 2.0],
        "brightness": 0.4,
        "contrast": 0.3,
        "saturation": 0.2,
        "hue": 0.1,
        "base": 520,
        "draw": "uniform",
        "interpolation": "cubic",
        "pad": "corner",
        "threads": 3,
        "white": 4095.0,
        "cache_mb": 9,
    }


def test_sets_have_the_tutorials_values():
    gluoncv = augmentation_from(parse_augmentation(["gluoncv"]))
    assert gluoncv == Augmentation(
        crop=(480, 480),
        scale=(0.5, 2.0),
        flip=True,
        rotate=10.0,
        blur=(0.5, 1.0),
        base=520,
        draw="uniform",
        pad="corner",
    )
    blog = augmentation_from(parse_augmentation(["blog"]))
    assert blog.rotate == 20 and blog.blur == (0.5, 1.0)
    mindspore = augmentation_from(parse_augmentation(["mindspore"]))
    assert mindspore == Augmentation(
        crop=(512, 512),
        scale=(0.5, 2.0),
        flip=True,
        draw="uniform",
        interpolation="cubic",
        pad="corner",
    )
    assert augmentation_from(parse_augmentation(["berkeley"])) is None


@pytest.mark.parametrize(
    "options",
    [
        *AUGMENTATION_SETS.values(),
        USUAL_AUGMENTATION,
        {"crop": [240, 320], "blur": [0.25, 1.5], "hue": 1e-05, "base": None, "flip": False},
        {"brightness": 0.1, "threads": 2, "cache_mb": 0, "white": 4095.0, "scale": [1, 2]},
    ],
)
def test_options_as_text_again(options):
    assert parse_augmentation(augmentation_texts(options)) == options


def test_options_behind_a_set_override_it():
    found = augmentation_from(parse_augmentation(["gluoncv", "crop=473", "rotate=0", "base=none"]))
    assert (found.crop, found.rotate, found.base) == ((473, 473), 0, None)
    assert found.blur == (0.5, 1.0) and found.flip
    assert AUGMENTATION_SETS["gluoncv"]["rotate"] == 10


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["zoom=2"], ["zoom=2", "scale, crop, flip"]),
        (["voc"], ["voc", "gluoncv", "rotate"]),
        (["flip=no", "blog"], ["blog", "first"]),
        (["crop=x"], ["crop=x", "whole number"]),
        (["crop=12.5"], ["crop=12.5", "whole number"]),
        (["rotate=ten"], ["rotate=ten", "number"]),
        (["rotate=200"], ["rotate", "0 to 180"]),
        (["rotate=nan"], ["rotate", "0 to 180"]),
        (["blur=2"], ["blur", "probability"]),
        (["blur=0.5:99"], ["blur", "20 pixels"]),
        (["brightness=1.5"], ["brightness", "0 to 1"]),
        (["hue=0.6"], ["hue", "0 to 0.5"]),
        (["hue=-0.1"], ["hue", "0 to 0.5"]),
        (["base=0"], ["base", "1 to 16384"]),
        (["draw=normal"], ["draw", "log or uniform"]),
        (["interpolation=area"], ["interpolation", "linear or cubic"]),
        (["pad=mirror"], ["pad", "random or corner"]),
        (["flip=maybe"], ["flip=maybe", "yes or no"]),
        (["scale=2:1"], ["scale", "lowest and highest"]),
        (["threads=0"], ["threads=0", "1 or more"]),
        (["cache_mb=-1"], ["cache_mb=-1", "0 or more"]),
        (["white=nan"], ["white=nan", "above 0"]),
    ],
)
def test_texts_that_make_no_sense_are_refused(texts, words):
    with pytest.raises(InputError) as caught:
        parse_augmentation(texts)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    "options",
    [
        {"crop": 0},
        {"crop": [1]},
        {"crop": "321"},
        {"crop": [3.5, 4]},
        {"crop": 1 << 20},
        {"scale": [2, 1]},
        {"scale": 0},
        {"scale": "0.5:2"},
        {"flip": "no"},
        {"rotate": "10"},
        {"rotate": True},
        {"rotate": [1, 2]},
        {"rotate": math.inf},
        {"blur": [0.5, 1, 2]},
        {"base": math.nan},
        {"draw": 3},
        {"pad": ["corner"]},
    ],
    ids=str,
)
def test_json_that_makes_no_sense_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        augmentation_from(options)


@pytest.mark.parametrize(
    "more",
    [{"batch_size": "4"}, {"batch_size": 0}, {"seed": 1.5}, {"threads": 0}, {"rotate": "ten"}],
    ids=str,
)
def test_options_of_a_layer_are_named_with_it(more):
    given = json.dumps({"source": "voc", **more})
    with pytest.raises(InputError, match=f"layer data: {next(iter(more))}"):
        parse_options(given, "data")
    assert parse_options('{"source": "voc", "rotate": 10}')["rotate"] == 10


def test_results_are_as_small_as_images_have_to_be():
    with pytest.raises(InputError, match="smaller scale, or a crop"):
        drawn(Augmentation(scale=(16, 16)), shape=(4000, 4000))
    assert drawn(Augmentation((9, 9), scale=(16, 16)), shape=(4000, 4000)).placement.size == (9, 9)


@pytest.mark.parametrize("key", ["hue", "saturation"])
def test_colours_need_rgb(key):
    for channels in (1, 2, 4):
        with pytest.raises(InputError, match=f"voc: has {channels} .*{key}"):
            check_augmentation({key: 0.1}, channels, "voc")
    check_augmentation({key: 0.1}, 3, "voc")
    check_augmentation({key: 0.1}, None, "voc")
    check_augmentation({key: 0, "brightness": 0.5, "contrast": 0.5}, 1, "voc")
