"""A drawn street scene with its label and the scores of a nearly correct network.

The tests and the screenshots of the docs use it, so that no photograph has to be kept here.
"""

from __future__ import absolute_import, division, unicode_literals

import numpy as np
from PIL import Image, ImageDraw

BACKGROUND, BUS, CAR, DOG, PERSON, PLANT = 0, 6, 7, 12, 15, 16


def drawn(width=500, height=375):
    """Return (image: H x W x 3 uint8, label: H x W uint8, VOC's classes with a 255 border)."""
    picture = Image.new("RGB", (width, height), (168, 205, 235))
    label = Image.new("L", (width, height), BACKGROUND)
    paint, mark = ImageDraw.Draw(picture), ImageDraw.Draw(label)

    def both(kind, box, colour, index=None):
        box = [box[0] * width, box[1] * height, box[2] * width, box[3] * height]
        getattr(paint, kind)(box, fill=colour)
        if index is not None:
            getattr(mark, kind)(box, fill=index)

    both("rectangle", (0, 0.62, 1, 1), (122, 124, 128))
    both("rectangle", (0, 0.55, 1, 0.64), (120, 150, 90))
    both("ellipse", (0.82, 0.08, 0.92, 0.21), (250, 225, 130))
    for x in (0.05, 0.3, 0.55, 0.8):
        both("rectangle", (x, 0.82, x + 0.12, 0.835), (230, 230, 225))
    both("rectangle", (0.62, 0.3, 0.98, 0.72), (205, 60, 50), BUS)
    for x in (0.65, 0.73, 0.81, 0.89):
        both("rectangle", (x, 0.37, x + 0.06, 0.5), (190, 215, 230))
    for x in (0.67, 0.85):
        both("ellipse", (x, 0.66, x + 0.09, 0.78), (40, 40, 44), BUS)
    both("rectangle", (0.06, 0.6, 0.4, 0.74), (60, 90, 170), CAR)
    both("ellipse", (0.12, 0.5, 0.34, 0.7), (60, 90, 170), CAR)
    both("ellipse", (0.17, 0.53, 0.29, 0.64), (190, 215, 230))
    for x in (0.09, 0.29):
        both("ellipse", (x, 0.68, x + 0.08, 0.79), (40, 40, 44), CAR)
    both("ellipse", (0.47, 0.4, 0.53, 0.48), (225, 180, 150), PERSON)
    both("rectangle", (0.46, 0.47, 0.54, 0.7), (70, 140, 90), PERSON)
    both("rectangle", (0.465, 0.7, 0.535, 0.88), (50, 55, 80), PERSON)
    both("ellipse", (0.56, 0.78, 0.67, 0.87), (150, 105, 60), DOG)
    both("ellipse", (0.545, 0.75, 0.585, 0.81), (150, 105, 60), DOG)
    both("rectangle", (0.02, 0.4, 0.05, 0.62), (110, 80, 50), PLANT)
    both("ellipse", (-0.05, 0.18, 0.12, 0.47), (70, 130, 60), PLANT)
    image, label = np.array(picture), np.array(label)
    border = np.zeros(label.shape, bool)
    border[:, 1:] |= label[:, 1:] != label[:, :-1]
    border[1:] |= label[1:] != label[:-1]
    label[border] = 255
    return image, label


def scores(label, classes=21, seed=0):
    """Return smooth scores, classes x H x W float32, whose argmax is close to the label."""
    height, width = label.shape
    truth = np.where(label == 255, 0, label)
    noise = np.random.RandomState(seed)
    out = np.empty((classes, height, width), np.float32)
    for index in range(classes):
        blurred = _blur((truth == index).astype(np.float32) * 255)
        coarse = noise.standard_normal((height // 40 + 2, width // 40 + 2)).astype(np.float32)
        bumps = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
        out[index] = 9 * blurred / 255 + 1.6 * np.array(bumps)
    return out


def _blur(plane):
    height, width = plane.shape
    # Pillow 3.3, which DIGITS pins, has no Image.BOX.
    area = getattr(Image, "BOX", Image.ANTIALIAS if hasattr(Image, "ANTIALIAS") else None)
    small = Image.fromarray(plane).resize((max(1, width // 12), max(1, height // 12)), area)
    return np.array(small.resize((width, height), Image.BICUBIC))
