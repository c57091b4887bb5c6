"""Makes a net's input and label of what was drawn: place, size and angle, blur, colours.

Scale, crop, angle and mirror are one resampling, of only the part that ends up in the result. Blur
and colours are computed in floating point on the planes that the net gets, so that nothing is
rounded in between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from fcnkit.images import channels_first, resize_image, transform_image

from .augmentation import Placement, turning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fcnkit.images import Preprocessor

    from .augmentation import Colours, Draw

# What part of a pixel inside the image's border still counts as outside, so that no rounding in
# Pillow can make it outside of the image, but inside of its label.
_BORDER = 1 / 64

# A Gaussian as narrow as this leaves 8 bits as they are.
_NARROWEST = 0.25

# Parts of red, green and blue in brightness, by ITU-R BT.601.
_GREY = np.array([0.299, 0.587, 0.114])


def render(
    image: NDArray[Any],
    label: NDArray[np.uint8],
    draw: Draw,
    preprocessor: Preprocessor,
    data: NDArray[np.float32],
    labels: NDArray[np.float32],
    ignore: int = 255,
) -> None:
    """Write an image into `data` (C x H x W) and its label into `labels` (H x W), as drawn.

    `image` is H x W x C uint8, uint16 or float32; `data` holds zeros, which are the mean colour,
    and `labels` holds `ignore`: so it stays where the image does not reach.
    """
    top, left, bottom, right = draw.placement.window
    if draw.angle:
        size = draw.placement.size
        top, left, bottom, right = 0, 0, *size
        matrix = turning(draw, label.shape)
        pixels = turned(image, size, matrix, cubic=draw.cubic)
        classes = turned(label, size, matrix, smooth=False)
        inside: NDArray[np.bool_] | None = _inside(matrix, size, label.shape)
    else:
        pixels = sample(image, draw.placement, True, draw.cubic)
        classes = sample(label, draw.placement, False)
        inside = None
        if draw.flip:
            pixels, classes = pixels[:, ::-1], classes[:, ::-1]
    planes = data[:, top:bottom, left:right]
    if draw.blur < _NARROWEST and draw.colours is None:
        preprocessor.fill(planes, pixels)
    else:
        changed = np.empty(planes.shape, np.float32)
        changed[:] = channels_first(pixels, preprocessor.channels)
        most = np.iinfo(image.dtype).max if image.dtype.kind == "u" else None
        _change(changed, draw, inside, preprocessor, most)
        preprocessor.normalize(changed)
        planes[:] = changed
    labels[top:bottom, left:right] = classes
    if inside is not None:
        outside = ~inside
        np.copyto(data[:, top:bottom, left:right], 0, where=outside)
        np.copyto(labels[top:bottom, left:right], ignore, where=outside)


def sample(
    array: NDArray[Any], placement: Placement, smooth: bool, cubic: bool = False
) -> NDArray[Any]:
    """Resample the pixels of `array`, H x W (x C), that fill the placement's window.

    With `smooth` they are interpolated (images), otherwise the nearest pixel counts (labels).
    Interpolated samples of more than 8 bits are float32.
    """
    top, left, bottom, right = placement.window
    height, width = bottom - top, right - left
    above, before, below, after = placement.source
    if (below - above, after - before) == (height, width):
        row, column = round(above), round(before)
        return array[row : row + height, column : column + width]
    # The interpolating window reaches past the source part by one result pixel, or two.
    reach = 2 if cubic else 1
    margin = 2 + math.ceil(reach * max((below - above) / height, (after - before) / width))
    row, column = max(0, math.floor(above) - margin), max(0, math.floor(before) - margin)
    part = array[row : math.ceil(below) + margin, column : math.ceil(after) + margin]
    box = (
        before - column,
        above - row,
        min(after - column, part.shape[1]),
        min(below - row, part.shape[0]),
    )
    return resize_image(part, (height, width), smooth, box, cubic)


def turned(
    array: NDArray[Any],
    size: tuple[int, int],
    matrix: NDArray[np.float64],
    smooth: bool = True,
    cubic: bool = False,
) -> NDArray[Any]:
    """Resample `array`, H x W (x C), through a 2 x 3 map as `turning` makes it, to `size`.

    Smoothing and types are as in `sample`; what lies outside the array is 0. Where the map shrinks,
    an image is scaled first, so that no pixel is skipped.
    """
    extents = np.array(array.shape[1::-1], np.float64)  # width, height
    ratios = np.ones(2)
    if smooth:
        ratios = np.maximum(np.hypot(matrix[:, 0], matrix[:, 1]), 1)
        # To the number of pixels that the scaled image has.
        ratios = extents / np.maximum(np.rint(extents / ratios), 1)
    scaled = matrix / ratios[:, None]
    corners = np.array([[0, size[1], 0, size[1]], [0, 0, size[0], size[0]], [1, 1, 1, 1]])
    reached = scaled @ corners
    first = np.maximum(np.floor(reached.min(1)) - 3, 0).astype(int)
    last = np.minimum(np.ceil(reached.max(1)) + 3, np.rint(extents / ratios)).astype(int)
    if (last <= first).any():
        kind: type[np.generic] = np.uint8 if array.dtype == np.uint8 else np.float32
        return np.zeros((*size, *array.shape[2:]), kind)
    (left, top), (right, bottom) = first.tolist(), last.tolist()
    if (ratios == 1).all():
        part = array[top:bottom, left:right]
    else:
        window = (top, left, bottom, right)
        source = tuple(edge * ratio for edge, ratio in zip(window, [*ratios[::-1]] * 2))
        part = sample(array, Placement((bottom, right), window, source), smooth, cubic)
    scaled[:, 2] -= first
    return transform_image(part, size, scaled.ravel().tolist(), smooth, cubic)


def _inside(
    matrix: NDArray[np.float64], size: tuple[int, int], shape: Sequence[int]
) -> NDArray[np.bool_]:
    """Which pixels of a result of `size` show the image of `shape`, as H x W booleans."""
    height, width = size
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    first, last = np.full(height, -np.inf), np.full(height, np.inf)
    for (across, down, start), extent in zip(matrix, (shape[1], shape[0])):
        scale = math.hypot(across, down) * _BORDER
        begins = down * rows + start
        # Along a row, the points from `low` to `high` are inside as far as this axis goes.
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.array([scale - begins, extent - scale - begins]) / across
        low, high = np.fmin(*ends), np.fmax(*ends)
        first, last = np.maximum(first, low), np.minimum(last, high)
    return (columns >= first[:, None]) & (columns <= last[:, None])


def _change(
    planes: NDArray[np.float32],
    draw: Draw,
    inside: NDArray[np.bool_] | None,
    preprocessor: Preprocessor,
    most: int | None,
) -> None:
    """Blur `planes`, C x H x W before the mean is subtracted, and change their colours, in place.

    Where it is not `inside`, planes are 0. `most` is the largest value there can be; None: any.
    """
    number = planes[0].size if inside is None else max(1, int(np.count_nonzero(inside)))
    means = planes.reshape(len(planes), -1).sum(1, dtype=np.float64) / number
    if draw.blur >= _NARROWEST:
        if inside is not None:
            colour = preprocessor.mean_colour(len(planes))
            np.copyto(planes, colour[:, None, None], where=~inside)
        for plane in planes:
            _blur(plane, draw.blur)
    if draw.colours is not None:
        is_rgb = preprocessor.channels == "RGB"
        _recolour(planes, draw.colours, means, is_rgb)
        if most is not None:
            np.clip(planes, 0, most, out=planes)


def _blur(plane: NDArray[np.float32], radius: float) -> None:
    """Convolve H x W with a Gaussian of that standard deviation, in place; borders repeat."""
    reach = max(1, math.ceil(3 * radius))
    weights = np.exp(-0.5 * (np.arange(reach + 1) / radius) ** 2)
    weights = (weights / (2 * weights.sum() - 1)).astype(np.float32)
    for lines in (plane, plane.T):
        extent = len(lines)
        padded = np.pad(lines, [(reach, reach), (0, 0)], mode="edge")
        pairs = np.empty_like(lines)
        np.multiply(padded[reach : reach + extent], weights[0], out=lines)
        for distance in range(1, reach + 1):
            before, after = reach - distance, reach + distance
            np.add(padded[before : before + extent], padded[after : after + extent], out=pairs)
            pairs *= weights[distance]
            lines += pairs


def _recolour(
    planes: NDArray[np.float32], colours: Colours, means: NDArray[np.float64], is_rgb: bool
) -> None:
    """Change the colours of C x H x W, in place; `means` of its channels are kept by contrast.

    All changes are linear, so they are one matrix. Of three channels contrast keeps the mean grey,
    of others each channel's own.
    """
    factor = colours.brightness * colours.contrast
    kept = (1 - colours.contrast) * colours.brightness
    if len(planes) != 3:
        planes *= np.float32(factor)
        planes += (kept * means).astype(np.float32)[:, None, None]
        return
    grey = _GREY if is_rgb else _GREY[::-1]
    offset = np.float32(kept * (grey @ means))
    if colours.saturation == 1 and colours.hue == 0:
        planes *= np.float32(factor)
        planes += offset
        return
    matrix = colours.saturation * np.eye(3) + (1 - colours.saturation) * grey
    turn = _hue_turn(colours.hue)
    matrix = factor * (turn if is_rgb else turn[::-1, ::-1]) @ matrix
    flat = planes.reshape(3, -1)
    np.add(matrix.astype(np.float32) @ flat, offset, out=flat)


def _hue_turn(share: float) -> NDArray[np.float64]:
    """The rotation of RGB about the grey axis by a share of the circle (Rodrigues' formula)."""
    cos, sin = math.cos(2 * math.pi * share), math.sin(2 * math.pi * share) / math.sqrt(3)
    across = np.array([[0, -sin, sin], [sin, 0, -sin], [-sin, sin, 0]])
    return cos * np.eye(3) + (1 - cos) / 3 + across
