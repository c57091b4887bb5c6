"""Augmented samples as a net in training gets them, and a sheet of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import InputError
from fcnkit.datasets import BatchLoader, Order, augmentation_from, common_channels
from fcnkit.images import (
    ImageForm,
    Preprocessor,
    as_rgb,
    channels_first,
    channels_last,
    contact_sheet,
    legend,
    overlay,
    paint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fcnkit.datasets import Draw, SegmentationDataset


class AugmentedSample(NamedTuple):
    """An image and its label as a net in training gets them.

    `words` say what was drawn, or why there is no sample; then `image` (H x W x 3 uint8 RGB) and
    `label` (H x W uint8) are None.
    """

    id: str
    words: str
    image: NDArray[np.uint8] | None = None
    label: NDArray[np.uint8] | None = None


def augmented_samples(
    dataset: SegmentationDataset,
    options: Mapping[str, Any],
    count: int = 8,
    *,
    seed: int = 1,
    form: ImageForm | None = None,
    mean: ArrayLike | None = None,
    bands: Sequence[int] | None = None,
    most_pixels: int | None = None,
) -> Iterator[AugmentedSample]:
    """Yield the first `count` samples of a run with that `seed`.

    `options` are those of SegmentationData. What an image does not cover has the colour `mean` (in
    the net's order, default: the mean of the samples) and the label 255. `form` is what images are
    made to be, `bands` as in `as_rgb`. Samples of more than `most_pixels` are not made.
    """
    form = form or ImageForm()
    white = options.get("white")
    if white is not None:
        form = ImageForm(form.channels, "uint8", white)
    if form.channels is None:
        channels = common_channels(dataset.form(i) for i in range(len(dataset)))
        form = ImageForm(channels, form.depth, form.white)
    colour = _mean_colour(dataset, form, count) if mean is None else mean
    is_8_bit = "uint8" in (form.depth, dataset.form(0).depth)
    for position in range(count):
        order = Order(seed, shuffle=True, start=position)
        id_ = ""
        try:
            loader = BatchLoader(
                dataset,
                1,
                Preprocessor(colour),
                augmentation_from(options),
                order,
                threads=1,
                form=form,
            )
            try:
                id_, drawn = loader.drawn(position)
                height, width = drawn.placement.size
                if most_pixels is not None and height * width > most_pixels:
                    raise InputError(f"of {width}x{height} pixels, which is too large to be shown")
                data, labels = loader.next()
            finally:
                loader.close()
            image = _shown(data[0], colour, is_8_bit, bands)
            yield AugmentedSample(id_, _describe(drawn), image, labels[0, 0].astype(np.uint8))
        except InputError as error:
            yield AugmentedSample(id_, str(error))


def augmented_sheet(
    dataset: SegmentationDataset,
    options: Mapping[str, Any],
    title: str,
    names: Sequence[str] | None = None,
    *,
    rows: int = 8,
    seed: int = 1,
    form: ImageForm | None = None,
    mean: ArrayLike | None = None,
    bands: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Draw the first `rows` samples of a run with that `seed`, as H x W x 3 uint8 RGB.

    Parameters are those of `augmented_samples`. Captions say what was drawn; samples that cannot be
    made are captioned with the reason.
    """
    pictures, captions = [], []
    palette = dataset.palette
    for sample in augmented_samples(
        dataset, options, rows, seed=seed, form=form, mean=mean, bands=bands
    ):
        row: list[NDArray[np.uint8]] = []
        caption = f"{title}/{sample.id}" if sample.id else title
        caption += f": {sample.words}"
        if sample.image is not None and sample.label is not None:
            found = ", ".join(e.name for e in legend(sample.label, palette, names or ()))
            caption += f"; {found}"
            row = [
                sample.image,
                paint(sample.label, palette),
                overlay(sample.image, sample.label, palette),
            ]
        pictures.append(row)
        captions.append(caption)
    return contact_sheet(pictures, ["image", "label", "both"], captions)


def _mean_colour(dataset: SegmentationDataset, form: ImageForm, count: int) -> NDArray[np.float32]:
    """The mean of each channel over some images of the dataset, in a net's order."""
    means = []
    for i in range(min(count, len(dataset))):
        with contextlib.suppress(InputError):
            means.append(channels_first(dataset.image(i, form)).mean((1, 2)))
    sizes = {len(mean) for mean in means}
    return np.mean(means, 0).astype(np.float32) if len(sizes) == 1 else np.zeros(1, np.float32)


def _shown(
    planes: NDArray[np.float32],
    mean: ArrayLike,
    is_8_bit: bool,
    bands: Sequence[int] | None,
) -> NDArray[np.uint8]:
    """An input of a net without its mean, as H x W x 3 uint8 RGB."""
    colour = Preprocessor(mean).mean_colour(len(planes))
    image = channels_last(planes + colour[:, None, None])
    if is_8_bit:
        image = np.rint(np.clip(image, 0, 255)).astype(np.uint8)
    return as_rgb(image, bands)


def _describe(drawn: Draw) -> str:
    """What was drawn, in words."""
    top, left, bottom, right = drawn.placement.window
    above, before, below, after = drawn.placement.source
    words = [
        f"scaled by {max(bottom - top, right - left) / max(below - above, after - before):.2f}"
    ]
    if drawn.flip:
        words.append("mirrored")
    if drawn.angle:
        words.append(f"turned by {drawn.angle:.1f} degrees")
    if drawn.blur:
        words.append(f"blurred by {drawn.blur:.2f}")
    if drawn.colours is not None:
        brightness, contrast, saturation, hue = drawn.colours
        factors = (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
        words += [f"{name} x{factor:.2f}" for name, factor in factors if factor != 1]
        words += [f"hue {360 * hue:+.0f} degrees"] if hue else []
    return ", ".join(words)
