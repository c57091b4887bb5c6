"""Draws the shapes of annotation tools as masks, H x W booleans."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from caffeformat import InputError
from fcnkit.images import load_pixels, open_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Points = list[tuple[float, float]]

# Corners beyond this cannot be in a picture, and Pillow counts in 32 bits.
_FARTHEST = 1 << 20

# What labelme draws lines and points with, in pixels: width, and half of it.
_LINE_WIDTH, _POINT_RADIUS = 10, 5


def points_of(value: Any, name: str) -> Points:
    """A list of [x, y] as numbers; `InputError` with `name` for anything else."""
    try:
        points = [(float(x), float(y)) for x, y in value]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected points as [[x, y], ...]: {error}") from error
    for point in points:
        if not all(abs(number) <= _FARTHEST for number in point):
            raise InputError(f"{name}: a point at {point}, far outside any image")
    return points


def polygon(draw: ImageDraw.ImageDraw, points: Points) -> None:
    """Fill a polygon, its outline included."""
    if len(points) < 3:
        raise ValueError(f"a polygon of {len(points)} points")
    draw.polygon(points, fill=1, outline=1)


def rectangle(draw: ImageDraw.ImageDraw, points: Points) -> None:
    """Fill the rectangle between two corners, or around four."""
    if len(points) not in (2, 4):
        raise ValueError(f"a rectangle of {len(points)} points")
    columns, rows = zip(*points)
    draw.rectangle([min(columns), min(rows), max(columns), max(rows)], fill=1, outline=1)


def circle(draw: ImageDraw.ImageDraw, points: Points) -> None:
    """Fill the circle around the first point through the second one."""
    if len(points) != 2:
        raise ValueError(f"a circle of {len(points)} points")
    (x, y), (px, py) = points
    radius = math.hypot(x - px, y - py)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)


def line(draw: ImageDraw.ImageDraw, points: Points) -> None:
    """Draw a line through all points."""
    if len(points) < 2:
        raise ValueError(f"a line of {len(points)} points")
    draw.line(points, fill=1, width=_LINE_WIDTH)


def dots(draw: ImageDraw.ImageDraw, points: Points) -> None:
    """Draw a small disc around each point."""
    r = _POINT_RADIUS
    for x, y in points:
        draw.ellipse([x - r, y - r, x + r, y + r], fill=1, outline=1)


def drawn(
    shape: Callable[[ImageDraw.ImageDraw, Points], None],
    points: Points,
    size: tuple[int, int],
    name: str,
    holes: Sequence[Points] = (),
) -> Mask:
    """The mask of a shape in an image of `size` (height, width), without `holes`.

    Raises `InputError` with `name` for a shape with too few points.
    """
    mask = Image.new("L", (size[1], size[0]), 0)
    draw = ImageDraw.Draw(mask)
    try:
        shape(draw, points)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: cannot be drawn: {error}") from error
    for hole in holes:
        if len(hole) > 2:
            draw.polygon(hole, fill=0, outline=0)
    return np.asarray(mask).astype(bool)


def bitmap(
    text: Any, origin: tuple[float, float], size: tuple[int, int], name: str, deflated: bool = False
) -> Mask:
    """The mask of a small image in base64 whose upper left pixel is at `origin` (x, y).

    `deflated` says that it is packed with zlib. Pixels outside the image are cut off; pixels that
    are opaque and not black belong to the mask.
    """
    data = from_base64(text, name)
    if deflated:
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(data, 64 << 20)
        except zlib.error as error:
            raise InputError(f"{name}: a mask that is damaged: {error}") from error
    with open_image(data, name) as image:
        values = np.asarray(load_pixels(image, name).convert("RGBA"))
    there = (values[..., 3] > 0) & (values[..., :3] > 0).any(2)
    mask: Mask = np.zeros(size, bool)
    x, y = (int(value) for value in origin)
    top, left = max(0, y), max(0, x)
    bottom, right = min(size[0], y + there.shape[0]), min(size[1], x + there.shape[1])
    if bottom > top and right > left:
        mask[top:bottom, left:right] = there[top - y : bottom - y, left - x : right - x]
    return mask


def from_base64(text: Any, name: str) -> bytes:
    """The bytes of base64 text; `InputError` with `name` if it is none."""
    if not isinstance(text, str):
        raise InputError(f"{name}: expected base64 text, found {type(text).__name__}")
    try:
        return base64.b64decode(text.encode(), validate=False)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{name}: base64 text that is damaged: {error}") from error
