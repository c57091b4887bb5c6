"""What a net gets: image and label resampled together, blurred and recoloured."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from caffeformat import InputError
from fcnkit.datasets import Augmentation, BatchLoader
from fcnkit.datasets.augmentation import Colours, Draw, draw, whole
from fcnkit.datasets.rendering import render
from fcnkit.images import Preprocessor

MEAN = [104, 117, 123]
Resampling = getattr(Image, "Resampling", Image)


def picture(height=60, width=80, channels=3, seed=0):
    """Smooth noise, so that interpolation has little to round, and its blocks as a label."""
    random = np.random.RandomState(seed)
    planes = [
        Image.fromarray(random.randint(30, 220, (height // 10, width // 10)).astype(np.uint8))
        for _ in range(channels)
    ]
    image = np.stack([np.asarray(p.resize((width, height), Resampling.BICUBIC)) for p in planes], 2)
    label = random.randint(0, 9, (height // 10, width // 10)).repeat(10, 0).repeat(10, 1)
    return image, label.astype(np.uint8)


def rendered(image, label, drawn, mean=None, ignore=255, scale=1.0, channels="BGR"):
    height, width = drawn.placement.size
    data = np.zeros((image.shape[2], height, width), np.float32)
    labels = np.full((height, width), ignore, np.float32)
    render(image, label, drawn, Preprocessor(mean, scale, channels), data, labels, ignore)
    return data, labels


def turn(image, label, angle, **more):
    return rendered(image, label, Draw(whole(label.shape), angle=angle), **more)


@pytest.mark.parametrize("angle", [-20.0, 7.3, 90.0, 180.0])
def test_an_image_is_turned_about_its_centre_as_pillow_turns_it(angle):
    image, label = picture()
    data, labels = turn(image, label, angle, channels="RGB")
    expected = np.asarray(Image.fromarray(image).rotate(angle, Resampling.BILINEAR))
    classes = np.asarray(Image.fromarray(label).rotate(angle, Resampling.NEAREST, fillcolor=255))
    inside = labels != 255
    assert np.abs(data.transpose(1, 2, 0) - expected)[inside].max() <= 1
    # A pixel on the border may count as outside.
    assert ((classes == labels) | ~inside).mean() > 0.999
    assert abs(inside.mean() - (classes != 255).mean()) < 0.01


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ignore", [255, 11])
def test_what_comes_into_the_picture_is_the_mean_colour_and_ignored(dtype, channels, ignore):
    image, label = picture(channels=channels)
    image = image.astype(dtype) * dtype(100 if dtype == np.uint16 else 1)
    colours = Colours(1.1, 0.8, 1.0, 0.0)
    for drawn in (
        Draw(whole(label.shape), angle=25.0),
        Draw(whole(label.shape), angle=25.0, blur=1.5, colours=colours),
        Draw(whole(label.shape, (70, 100)), True, 25.0, 1.5, colours, True),
    ):
        data, labels = rendered(image, label, drawn, 50.0, ignore, 0.5)
        outside = labels == ignore
        assert 0.1 < outside.mean() < 0.6 and np.isfinite(data).all()
        assert (data[:, outside] == 0).all()
        assert (data[:, ~outside] != 0).any(0).mean() > 0.99
        assert set(np.unique(labels)) <= set(range(9)) | {ignore}


def test_scale_crop_angle_and_mirror_are_one_map_for_image_and_label():
    label = np.zeros((90, 120), np.uint8)
    label[20:60, 30:90] = 5
    image = np.where(label[..., None] == 5, 200, 40).repeat(3, 2).astype(np.uint8)
    augmentation = Augmentation((64, 64), (0.4, 2.0), True, 30.0, pad="corner")
    angles = []
    for place in range(40):
        drawn = draw(augmentation, label.shape, np.random.RandomState([1, 0, place]))
        data, labels = rendered(image, label, drawn)
        inside = labels != 255
        agree = (data[1] > 120) == (labels == 5)
        assert agree[inside].mean() > 0.97
        assert (data[:, ~inside] == 0).all()
        angles.append(drawn.angle)
    assert min(angles) < -20 and max(angles) > 20


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_turning_agrees_with_scaling_turning_and_cropping_one_after_the_other(scale):
    image, label = picture(90, 120)
    drawn = draw(
        Augmentation((50, 50), (scale, scale), rotate=15.0), label.shape, np.random.RandomState(4)
    )
    data, labels = rendered(image, label, drawn, channels="RGB")
    size = round(120 * scale), round(90 * scale)
    resized = Image.fromarray(image).resize(size, Resampling.BILINEAR)
    resized = np.asarray(resized.rotate(drawn.angle, Resampling.BILINEAR))
    classes = Image.fromarray(label).resize(size, Resampling.NEAREST)
    classes = np.asarray(classes.rotate(drawn.angle, Resampling.NEAREST, fillcolor=255))
    top, left, bottom, right = drawn.placement.window
    row = round(drawn.placement.source[0] * size[1] / 90)
    column = round(drawn.placement.source[1] * size[0] / 120)
    part = (slice(row, row + bottom - top), slice(column, column + right - left))
    inside = (labels[top:bottom, left:right] != 255) & (classes[part] != 255)
    off = np.abs(data[:, top:bottom, left:right].transpose(1, 2, 0) - resized[part])[inside]
    assert off.mean() < 1.5 and np.percentile(off, 99) < 6
    same = labels[top:bottom, left:right][inside] == classes[part][inside]
    assert same.mean() > 0.95


def test_half_a_turn_and_a_mirror_are_a_mirror_upside_down():
    image, label = picture()
    data, labels = rendered(image, label, Draw(whole(label.shape), True, 180.0), channels="RGB")
    inside = labels != 255
    assert inside[1:-1, 1:-1].all()
    assert np.abs(data - image[::-1].transpose(2, 0, 1))[:, inside].max() <= 1
    assert np.array_equal(labels[inside], label[::-1][inside])


@pytest.mark.parametrize("angle", [0.0, 1e-6])
def test_a_mirrored_image_lies_where_it_would_lie_as_it_is(angle):
    image, label = picture()
    for pad in ("corner", "random"):
        augmentation = Augmentation((100, 200), (0.8, 0.8), pad=pad)
        drawn = draw(augmentation, label.shape, np.random.RandomState(1))
        top, left, bottom, right = drawn.placement.window
        assert (top, left) == (0, 0) or pad == "random"
        data, labels = rendered(image, label, drawn)
        mirrored, its_labels = rendered(image, label, drawn._replace(flip=True, angle=angle))
        inside = labels != 255
        assert inside[top:bottom, left:right].all() and (its_labels[~inside] == 255).all()
        part = (slice(top + 1, bottom - 1), slice(left + 1, right - 1))
        assert (its_labels[part] == labels[part][:, ::-1]).mean() > 0.95
        off = np.abs(mirrored[:, part[0], part[1]] - data[:, part[0], part[1]][..., ::-1])
        assert off.mean() < 1.5


def test_a_crop_that_shows_nothing_of_a_turned_image_is_ignored():
    image, label = picture()
    placement = draw(
        Augmentation((6, 6), pad="corner"), (60, 80), np.random.RandomState(1)
    ).placement
    corner = placement._replace(source=(0.0, 0.0, 6.0, 6.0))
    data, labels = rendered(image, label, Draw(corner, angle=45.0), MEAN)
    assert (labels == 255).all() and (data == 0).all()


@pytest.mark.parametrize("radius", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_blur_is_a_gaussian(radius, kind):
    image = np.zeros((41, 41, 1), kind)
    image[20, 20] = 200
    data, labels = rendered(image, image[..., 0] * 0, Draw(whole((41, 41)), blur=radius))
    assert data.sum() == pytest.approx(200, rel=1e-4) and (labels == 0).all()
    steps = np.arange(41) - 20.0
    for axis in (1, 2):
        spread = (data.sum(3 - axis)[0] * steps**2).sum() / 200
        assert spread == pytest.approx(radius**2, rel=0.15)


def test_blur_is_about_that_of_pillow_and_repeats_borders():
    image, label = picture()
    data, _ = rendered(image, label, Draw(whole(label.shape), blur=1.0), channels="RGB")
    blurred = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.0)))
    assert np.abs(data.transpose(1, 2, 0) - blurred).max() < 4
    flat = np.full((9, 9, 3), 77, np.uint8)
    data, _ = rendered(flat, label[:9, :9], Draw(whole((9, 9)), blur=5.0))
    assert np.allclose(data, 77, rtol=0, atol=1e-3)


def recoloured(image, channels="BGR", **colours):
    drawn = Draw(whole(image.shape[:2]), colours=Colours(1.0, 1.0, 1.0, 0.0)._replace(**colours))
    data, _ = rendered(image, np.zeros(image.shape[:2], np.uint8), drawn, channels=channels)
    is_turned = channels == "BGR" and len(data) == 3
    return (data[::-1] if is_turned else data).transpose(1, 2, 0)


@pytest.mark.parametrize("channels", ["BGR", "RGB"])
def test_colours_change_by_their_formulae(channels):
    image, _ = picture()
    grey = image @ np.array([0.299, 0.587, 0.114])
    for factor in (0.6, 1.4):
        bright = recoloured(image, channels, brightness=factor)
        assert np.allclose(bright, np.clip(image * factor, 0, 255), rtol=0, atol=1e-3)
        steep = recoloured(image, channels, contrast=factor)
        expected = np.clip(grey.mean() + factor * (image - grey.mean()), 0, 255)
        assert np.allclose(steep, expected, rtol=0, atol=1e-2)
        vivid = recoloured(image, channels, saturation=factor)
        expected = np.clip(grey[..., None] + factor * (image - grey[..., None]), 0, 255)
        assert np.allclose(vivid, expected, rtol=0, atol=1e-2)
    # A third of the circle turns red into green, green into blue, blue into red.
    third = recoloured(image, channels, hue=1 / 3)
    assert np.allclose(third, image[..., [2, 0, 1]].astype(float), rtol=0, atol=1e-2)
    both = recoloured(image, channels, brightness=0.7, contrast=0.8, saturation=1.3, hue=0.05)
    assert both.min() >= 0 and both.max() <= 255


def test_grey_stays_grey_and_values_in_their_range():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    found = recoloured(grey, hue=0.4, saturation=2.0)
    assert np.allclose(found, grey.astype(float), rtol=0, atol=1e-2)
    assert recoloured(grey, brightness=2.0).max() == 255
    deep = (grey.astype(np.uint16) * 257)[..., :1]
    assert recoloured(deep, brightness=2.0).max() == 65535
    floats = deep.astype(np.float32)
    assert recoloured(floats, brightness=2.0).max() == 2 * 65535


def test_contrast_keeps_the_mean_of_each_channel_where_they_are_not_colours():
    image, _ = picture(channels=4)
    found = recoloured(image, contrast=0.5)
    means = image.mean((0, 1))
    assert np.allclose(found, means + 0.5 * (image - means), rtol=0, atol=1e-2)


def test_contrast_of_a_turned_image_knows_only_what_is_shown():
    image = np.full((40, 40, 3), 90, np.uint8)
    drawn = Draw(whole((40, 40)), angle=30.0, colours=Colours(1.0, 0.3, 1.0, 0.0))
    data, labels = rendered(image, np.zeros((40, 40), np.uint8), drawn)
    assert data[:, labels == 0] == pytest.approx(90, abs=0.2)


@pytest.mark.parametrize("angle", [0.0, 12.0])
def test_cubic_interpolation(angle):
    image, label = picture()
    draws = {
        kind: draw(
            Augmentation((60, 80), (1.5, 1.5), rotate=angle, interpolation=kind),
            label.shape,
            np.random.RandomState(2),
        )
        for kind in ("linear", "cubic")
    }
    (linear, labels), (cubic, same) = (rendered(image, label, d) for d in draws.values())
    assert np.array_equal(labels, same)
    inside = labels != 255
    assert 0 < np.abs(linear - cubic)[:, inside].mean() < 3


class Grey:
    ids = ["grey"]

    def __len__(self):
        return 1

    def image(self, i, form=None):
        return np.full((9, 9, 1), 5, np.uint8)

    def label(self, i):
        return np.zeros((9, 9), np.uint8)


def test_a_batch_of_grey_images_has_no_hue():
    loader = BatchLoader(Grey(), 1, Preprocessor(), Augmentation(hue=0.1))
    with pytest.raises(InputError, match="grey: has 1 channel, but hue"):
        loader.next()
    loader.close()
    loader = BatchLoader(Grey(), 1, Preprocessor(), Augmentation(brightness=0.5, contrast=0.5))
    assert 2.5 <= loader.next()[0].mean() <= 7.5
    loader.close()
