#!/usr/bin/env python3
"""CPU time of an augmented sample against torchvision.transforms.v2 doing the same.

Both make the float32 input and the label of a 480x480 crop from one decoded image of 500x375 and
its label: scale, angle, crop, mirror, blur, brightness, contrast, saturation, hue, mean and scale.
They take turns in one process with one thread. torchvision computes on Pillow's images and on
tensors; the faster of its two ways counts. Prints milliseconds of CPU per image.

Two things differ. torchvision turns the hue in HSV and rounds to 8 bits between the steps, and it
turns the whole scaled image, of which it then takes the crop.

    benchmarks/augmentation.py                       # everything
    benchmarks/augmentation.py --without colour      # what the tutorials do
    benchmarks/augmentation.py --without colour blur rotate
"""

import argparse
import random
import time

import numpy as np
import torch
from PIL import Image

from fcnkit.datasets import Augmentation
from fcnkit.datasets.augmentation import draw
from fcnkit.datasets.rendering import render
from fcnkit.images import Preprocessor

try:
    from torchvision import tv_tensors
except RuntimeError:
    # For another build of PyTorch: its operators are missing, but no transform needs them.
    for operator in ("nms", "qnms"):
        torch.library.define(f"torchvision::{operator}", "(Tensor d, Tensor s, float t) -> Tensor")
    from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2

BASE, CROP, MEAN, SCALE = 520, 480, [104, 117, 123], 0.017
ANGLE, BLUR, COLOUR, HUE = 10, (0.5, 1.0), 0.4, 0.1
PARTS = ("rotate", "blur", "colour")


class LongerSide(torch.nn.Module):
    """Scales the longer side to between half and twice the base, as GluonCV's program does."""

    def forward(self, image, label):
        """Return both, scaled."""
        height, width = v2.functional.get_size(image)
        factor = random.uniform(0.5, 2.0) * BASE / max(height, width)
        size = [max(1, round(height * factor)), max(1, round(width * factor))]
        nearest = InterpolationMode.NEAREST
        image = v2.functional.resize(image, size, InterpolationMode.BILINEAR, antialias=True)
        return image, v2.functional.resize(label, size, interpolation=nearest)


def theirs(parts):
    """The transforms, in the order of GluonCV's program."""
    fill = {Image.Image: tuple(MEAN[::-1]), tv_tensors.Image: MEAN[::-1], tv_tensors.Mask: 255}
    steps = [v2.RandomHorizontalFlip(), LongerSide()]
    if "rotate" in parts:
        steps.append(v2.RandomRotation(ANGLE, InterpolationMode.BILINEAR, fill=fill))
    steps.append(v2.RandomCrop(CROP, pad_if_needed=True, fill=fill))
    if "blur" in parts:
        blur = v2.GaussianBlur(7, (0.01, BLUR[1]))
        steps.append(v2.RandomApply([blur], BLUR[0]))
    if "colour" in parts:
        steps.append(v2.ColorJitter(COLOUR, COLOUR, COLOUR, HUE))
    steps.append(v2.ToImage())
    steps.append(v2.ToDtype({tv_tensors.Image: torch.float32, tv_tensors.Mask: torch.float32}))
    steps.append(v2.Normalize(MEAN[::-1], [1 / SCALE] * 3))
    return v2.Compose(steps)


def ours(parts):
    """The same as options."""
    colour = COLOUR if "colour" in parts else 0.0
    return Augmentation(
        crop=(CROP, CROP),
        scale=(0.5, 2.0),
        flip=True,
        rotate=ANGLE if "rotate" in parts else 0.0,
        blur=BLUR if "blur" in parts else (0.0, 0.0),
        brightness=colour,
        contrast=colour,
        saturation=colour,
        hue=HUE if "colour" in parts else 0.0,
        base=BASE,
        draw="uniform",
    )


def picture(height, width):
    """An image of smooth noise and a label of blocks."""
    random_state = np.random.RandomState(0)
    small = random_state.randint(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    image = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    label = random_state.randint(0, 21, (height // 8 + 1, width // 8 + 1)).astype(np.uint8)
    return image, np.ascontiguousarray(label.repeat(8, 0).repeat(8, 1)[:height, :width])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="375x500", help="size of the images (default: 375x500)")
    parser.add_argument("--rounds", type=int, default=200, help="samples each (default: 200)")
    parser.add_argument("--without", nargs="*", default=[], choices=PARTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(1)
    torch.manual_seed(1)
    parts = [part for part in PARTS if part not in args.without]
    image, label = picture(*map(int, args.size.split("x")))
    augmentation, preprocessor = ours(parts), Preprocessor(MEAN, SCALE)
    transforms = theirs(parts)
    planes, mask = torch.from_numpy(image.transpose(2, 0, 1).copy()), torch.from_numpy(label)

    def project(number):
        drawn = draw(augmentation, label.shape, np.random.RandomState([1, 0, number]))
        data = np.zeros((3, *drawn.placement.size), np.float32)
        labels = np.full(drawn.placement.size, 255, np.float32)
        render(image, label, drawn, preprocessor, data, labels)

    def on_pictures(_):
        transforms(Image.fromarray(image), tv_tensors.Mask(mask[None]))

    def on_tensors(_):
        transforms(tv_tensors.Image(planes), tv_tensors.Mask(mask[None]))

    ways = {"fcnkit": project, "v2 on Pillow": on_pictures, "v2 on tensors": on_tensors}
    seconds = dict.fromkeys(ways, 0.0)
    for number in range(-5, args.rounds):
        for name, way in ways.items():
            start = time.process_time()
            way(number + 5)
            if number >= 0:
                seconds[name] += time.process_time() - start
    times = {name: 1000 * value / args.rounds for name, value in seconds.items()}
    for name, value in times.items():
        print(f"{name:14} {value:6.1f} ms")
    fastest = min(value for name, value in times.items() if name != "fcnkit")
    print(f"with {', '.join(parts) or 'scale, crop and mirror'}: ", end="")
    print(f"{fastest / times['fcnkit']:.2f} times faster than torchvision.transforms.v2")


if __name__ == "__main__":
    main()
