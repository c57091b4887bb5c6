"""Scores of several passes averaged, in plain NumPy: what `fcnkit.inference.averaging` computes."""

import math

import numpy as np


def weights(old, new):
    """What each of `new` pixels takes of `old` ones: the triangle filter as a matrix."""
    ratio = old / new
    reach = max(1.0, ratio)
    centres = (np.arange(new)[:, None] + 0.5) * ratio
    matrix = np.maximum(0, 1 - np.abs(np.arange(old) + 0.5 - centres) / reach)
    return matrix / matrix.sum(1, keepdims=True)


def resize(planes, size):
    down, across = (weights(old, new) for old, new in zip(planes.shape[1:], size))
    return np.einsum("yh,chw,xw->cyx", down, planes, across)


def softmax(scores):
    made = np.exp(scores - scores.max(0))
    return made / made.sum(0)


def window_starts(extent, window):
    step = int(window * 2 / 3)
    found = [0]
    while found[-1] + window < extent:
        found.append(min(found[-1] + step, extent - window))
    return found


def reference(planes, score, scales=(1.0,), flip=False, window=None):
    """Probabilities for C x H x W, averaged over scales, mirror images and windows, in float64."""
    shape = planes.shape[1:]
    total = 0
    for scale in scales:
        size = tuple(max(1, math.floor(extent * scale + 0.5)) for extent in shape)
        image = resize(planes.astype(float), size)
        height, width = (min(extent, window or extent) for extent in size)
        found, count = 0, np.zeros(size)
        for top in window_starts(size[0], height):
            for left in window_starts(size[1], width):
                part = image[:, top : top + height, left : left + width]
                made = softmax(score(part))
                if flip:
                    made = (made + softmax(score(part[:, :, ::-1]))[:, :, ::-1]) / 2
                placed = np.zeros((len(made), *size))
                placed[:, top : top + height, left : left + width] = made
                found = found + placed
                count[top : top + height, left : left + width] += 1
        total = total + resize(found / count, shape)
    return total / len(scales)
