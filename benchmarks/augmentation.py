#!/usr/bin/env python3
"""CPU time of an augmented sample: resampling only the crop, or the whole image first.

Both make the same float32 blobs of a random scale, crop and flip from one image and label. Prints
milliseconds of CPU per image for each, and their ratio.
"""

import argparse
import time

import numpy as np
from PIL import Image

from fcnkit.datasets.augmentation import Augmentation, draw, sample
from fcnkit.images import Preprocessor


def whole_first(image, label, placement, flip, preprocessor):
    """Resize image and label, then crop and pad, as is usual."""
    above, before, below, _ = placement.source
    top, left, bottom, right = placement.window
    ratio = (bottom - top) / (below - above)
    size = (round(image.shape[1] * ratio), round(image.shape[0] * ratio))
    row, column = round(above * ratio), round(before * ratio)
    part = slice(row, row + bottom - top), slice(column, column + right - left)
    pixels = np.asarray(Image.fromarray(image).resize(size, Image.BILINEAR))
    classes = np.asarray(Image.fromarray(label).resize(size, Image.NEAREST))
    return paste(preprocessor(pixels[part])[0], classes[part], placement, flip)


def crop_first(image, label, placement, flip, preprocessor):
    """Resample the part of the image that the crop shows, as `BatchLoader` does."""
    blob = preprocessor(sample(image, placement, True))[0]
    return paste(blob, sample(label, placement, False), placement, flip)


def paste(blob, classes, placement, flip):
    """Both parts at their place in the crop."""
    if flip:
        blob, classes = blob[..., ::-1], classes[..., ::-1]
    data = np.zeros((3, *placement.size), np.float32)
    labels = np.full(placement.size, 255, np.float32)
    top, left = placement.window[:2]
    height, width = classes.shape
    data[:, top : top + height, left : left + width] = blob
    labels[top : top + height, left : left + width] = classes
    return data, labels


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="375x500", help="size of the images (default: 375x500)")
    parser.add_argument("--crop", default="321x321", help="size of the crops (default: 321x321)")
    parser.add_argument("--repeats", type=int, default=200)
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    crop = tuple(map(int, args.crop.split("x")))
    random = np.random.RandomState(0)
    image = random.randint(0, 256, (height, width, 3)).astype(np.uint8)
    label = random.randint(0, 21, (height, width)).astype(np.uint8)
    preprocessor = Preprocessor([104, 117, 123])
    augmentation = Augmentation(crop, (0.5, 2.0), True)
    draws = [draw(augmentation, label.shape, random) for _ in range(args.repeats)]
    seconds = {whole_first: 0.0, crop_first: 0.0}
    for placement, flip in draws:
        for make in seconds:
            start = time.process_time()
            make(image, label, placement, flip, preprocessor)
            seconds[make] += time.process_time() - start
    usual, ours = (1000 * value / args.repeats for value in seconds.values())
    print(f"whole image first {usual:.2f} ms, crop first {ours:.2f} ms: {usual / ours:.2f}x faster")


if __name__ == "__main__":
    main()
