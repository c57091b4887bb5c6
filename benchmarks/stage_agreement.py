#!/usr/bin/env python3
"""Where the first masks of a stage differ from the previous stage's last ones, and why.

    benchmarks/stage_agreement.py RUN --data DATASET

RUN is an output of train_stages. Prints, for each pair of stages, the disagreement by distance from
the previous one's nearest border. Then it compares the first stage's scores of the validation
images upsampled at once (by 32) and in two steps (by 2 and 16), with different kernels of the first
step: taps [b a a b] with a + b = 1 on each axis; a = 0.75 is bilinear interpolation, Berkeley's.
"""

import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from fcnkit import engine
from fcnkit.datasets import open_dataset
from fcnkit.images import Preprocessor, read_label
from fcnkit.inference import Segmenter
from fcnkit.nets import bilinear_kernel
from fcnkit.training import read_run

# Pixels from the nearest border, upper ends.
DISTANCES = (1, 2, 4, 8, 16, 32)


def border_distance(mask):
    """Distance of each pixel of a class map (H x W) to the nearest pixel beside another class."""
    border = np.zeros(mask.shape, bool)
    border[:, 1:] |= mask[:, 1:] != mask[:, :-1]
    border[:, :-1] |= mask[:, 1:] != mask[:, :-1]
    border[1:] |= mask[1:] != mask[:-1]
    border[:-1] |= mask[1:] != mask[:-1]
    if not border.any():
        return np.full(mask.shape, np.inf)
    return ndimage.distance_transform_edt(~border) + 1


def by_distance(pairs):
    """(pixels, differing pixels) of each distance, for pairs of masks (before, after)."""
    pixels, differing = np.zeros(len(DISTANCES) + 1), np.zeros(len(DISTANCES) + 1)
    for before, after in pairs:
        place = np.searchsorted(DISTANCES, border_distance(before))
        pixels += np.bincount(place.ravel(), minlength=len(pixels))
        differing += np.bincount(place[before != after], minlength=len(pixels))
    return pixels, differing


def print_distances(run, previous, stage):
    """The table of two stages, from the masks that train_stages keeps."""
    folders = os.path.join(run, previous, "masks"), os.path.join(run, stage, "first_masks")
    names = sorted(os.listdir(folders[0]))
    pixels, differing = by_distance(
        [read_label(os.path.join(folder, name)) for folder in folders] for name in names
    )
    print(f"{previous} -> {stage}: {1 - differing.sum() / pixels.sum():.4f} of the pixels agree")
    print("  pixels from a border  of all pixels  of these differ")
    for end, count, wrong in zip([*DISTANCES, np.inf], pixels, differing):
        share = wrong / count if count else 0
        print(f"  {f'up to {end:g}':>20}  {count / pixels.sum():13.4f}  {share:15.4f}")


def score_maps(run, data):
    """(scores before upsampling C x h x w, image's height and width) of the validation images."""
    trained = read_run(run)
    preprocessor = Preprocessor(trained.mean, trained.scale)
    segmenter = Segmenter(trained.net, trained.weights, preprocessor)
    with open_dataset(data, "val") as dataset:
        for i in range(len(dataset)):
            image = dataset.image(i)
            scores = engine.forward(segmenter.engine_net(image), "score_fr")[0]
            yield torch.tensor(np.array(scores)), image.shape[:2]


def upsampled(scores, kernel, stride):
    """Scores C x h x w through a Deconvolution that treats each channel alike."""
    weights = torch.tensor(kernel, dtype=torch.float32).expand(len(scores), 1, *kernel.shape)
    return F.conv_transpose2d(scores[None], weights, stride=stride, groups=len(scores))[0]


def classes(scores, offset, shape):
    """The class map of an image's `shape` from scores that Crop would take at `offset`."""
    height, width = shape
    return scores[:, offset : offset + height, offset : offset + width].argmax(0)


def print_kernels(run, data):
    """Agreement of two steps with one, for kernels of the first."""
    maps = list(score_maps(run, data))
    wide, half = bilinear_kernel(64), bilinear_kernel(32)
    once = [classes(upsampled(scores, wide, 32), 19, shape) for scores, shape in maps]
    print("upsampling by 2, then 16, against 32 at once, same scores:")
    for near in (0.75, 0.78, 0.80, 0.82, 0.85, 0.90):
        taps = np.array([1 - near, near, near, 1 - near])
        shares = []
        for (scores, shape), mask in zip(maps, once):
            fine = upsampled(upsampled(scores, np.outer(taps, taps), 2), half, 16)
            shares.append((classes(fine, 27, shape) == mask).float().mean())
        print(f"  a = {near:.2f}: {float(np.mean(shares)):.4f} agree")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="output of train_stages on Berkeley's stages")
    parser.add_argument("--data", required=True, help="dataset folder that it was trained on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with open(os.path.join(args.run, "stages.json"), encoding="utf-8") as file:
        names = [result["name"] for result in json.load(file)]
    for previous, stage in zip(names, names[1:]):
        print_distances(args.run, previous, stage)
    print_kernels(os.path.join(args.run, names[0]), args.data)


if __name__ == "__main__":
    main()
