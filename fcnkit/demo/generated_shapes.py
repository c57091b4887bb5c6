"""Generates segmentation data in PASCAL VOC's layout: shapes on textured backgrounds.

Only a shape's outline identifies its class: colours and textures of all shapes and of the
background are drawn from the same distribution. So a classifier of single pixels learns nothing,
while a network that sees outlines can learn everything.
"""

from __future__ import annotations

import io
import math
import os
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from caffeformat import InputError, atomic_write
from fcnkit.images import voc_palette

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    # Class index, left, top, right, bottom.
    Box = tuple[int, int, int, int, int]

CLASSES = ("background", "disk", "square", "triangle", "star", "cross")
IGNORE = 255

# Pillow's stubs know only `Image.Resampling`, which Pillow below 9.1 does not have.
_BICUBIC, _BOX = Image.BICUBIC, Image.BOX  # type: ignore[attr-defined]

# Height and width of an image; smallest and largest radius of a shape, in pixels.
SIZE, RADIUS = (128, 128), (14, 24)
# The same for images of PASCAL VOC's size; the shapes cover as much of them as VOC's objects.
VOC_SIZE, VOC_RADIUS = (375, 500), (60, 120)


def _outline(name: str, radius: float, angle: float) -> NDArray[np.float64]:
    """Return a shape's corner points, K x 2 pixels around (0, 0), with the area of its disk.

    Equal areas keep a shape's size from giving its class away.
    """
    if name == "disk":
        corners, radii = 48, [1.0]
    elif name == "square":
        corners, radii = 4, [1.0]
    elif name == "triangle":
        corners, radii = 3, [1.0]
    elif name == "star":
        corners, radii = 10, [1.0, 0.45]
    elif name == "cross":
        arm = 0.33
        points = [(1, arm), (arm, arm), (arm, 1)]
        quarter = np.array(points, float)
        turns = [np.array([[c, -s], [s, c]]) for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))]
        polygon = np.concatenate([quarter @ turn.T for turn in turns])
        corners = 0
    if corners:
        steps = np.arange(corners) * (2 * math.pi / corners)
        lengths = np.resize(radii, corners)
        polygon = np.stack([np.cos(steps), np.sin(steps)], axis=1) * lengths[:, None]
    x, y = polygon.T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    polygon = polygon * (radius * math.sqrt(math.pi / area))
    cos, sin = math.cos(angle), math.sin(angle)
    return polygon @ np.array([[cos, sin], [-sin, cos]])


def _texture(random: np.random.RandomState, height: int, width: int) -> NDArray[np.float32]:
    """Draw a height x width x 3 patch: two random colours mixed by gratings and noise."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period, phase = random.uniform(0, math.pi), random.uniform(4, 16), random.uniform(0, 6)
    grating = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period) + phase)
    coarse = random.uniform(-1, 1, (max(1, height // 8), max(1, width // 8))).astype(np.float32)
    blotches = np.asarray(Image.fromarray(coarse).resize((width, height), _BICUBIC))
    share = random.uniform(0, 1)
    mix = 0.5 + 0.5 * np.clip(share * grating + (1 - share) * 1.5 * blotches, -1, 1)[..., None]
    colour = random.uniform(20, 235, 3)
    other = np.clip(colour + random.uniform(-45, 45, 3), 0, 255)
    noise = random.normal(0, 6, (height, width, 1))
    patch: NDArray[np.float32] = (colour * mix + other * (1 - mix) + noise).astype(np.float32)
    return patch


def draw_image(
    random: np.random.RandomState,
    size: tuple[int, int] = SIZE,
    shapes: tuple[int, int] = (1, 3),
    radius: tuple[float, float] = RADIUS,
    border: int = 1,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[Box]]:
    """Draw one image and its label.

    size        (height, width) in pixels
    shapes      smallest and largest number of shapes per image; fewer where no more fit
    radius      smallest and largest radius, in pixels, of the disk that has a shape's area
    border      label pixels to either side of each outline that are set to 255

    Returns (image H x W x 3 RGB, label H x W, boxes as (class index, left, top, right, bottom)).
    """
    height, width = size
    if not 0 < radius[0] <= radius[1] <= min(size) / 2:
        raise InputError(
            f"shapes of radius {radius[0]:g} to {radius[1]:g} in an image of {width}x{height}: "
            f"expected at most half of the shorter side, {min(size) / 2:g}"
        )
    image = _texture(random, height, width)
    label = Image.new("L", (width, height), 0)
    edges = Image.new("L", (width, height), 0)
    boxes: list[Box] = []
    placed: list[tuple[NDArray[np.float64], float]] = []
    for _ in range(random.randint(shapes[0], shapes[1] + 1)):
        for _attempt in range(40):
            r = random.uniform(*radius)
            centre = random.uniform(r, (width - r, height - r))
            reach = 1.45 * r  # a triangle's corners reach the farthest of all shapes
            if all(np.hypot(*(centre - c)) > reach + other for c, other in placed):
                break
        else:
            continue
        placed.append((centre, reach))
        index = random.randint(1, len(CLASSES))
        polygon = _outline(CLASSES[index], r, random.uniform(0, 2 * math.pi)) + centre
        points = [tuple(point) for point in polygon]
        mask = Image.new("L", (width * 4, height * 4), 0)
        ImageDraw.Draw(mask).polygon([(4 * px, 4 * py) for px, py in points], fill=255)
        mask = mask.resize((width, height), _BOX)
        texture = _texture(random, height, width)
        while np.abs(texture.mean((0, 1)) - image.mean((0, 1))).sum() < 90:
            texture = _texture(random, height, width)  # an invisible outline teaches nothing
        alpha = np.asarray(mask, np.float32)[..., None] / 255
        image = np.asarray(image * (1 - alpha) + texture * alpha, np.float32)
        solid = mask.point([255 * (value >= 128) for value in range(256)])
        label.paste(index, mask=solid)
        window = 2 * border + 1
        ring = np.asarray(solid.filter(ImageFilter.MaxFilter(window))) != np.asarray(
            solid.filter(ImageFilter.MinFilter(window))
        )
        edges.paste(IGNORE, mask=Image.fromarray(ring))
        left, top = np.floor(polygon.min(0)).astype(int)
        right, bottom = np.ceil(polygon.max(0)).astype(int)
        boxes.append((index, left, top, right, bottom))
    label.paste(IGNORE, mask=edges.point([255 * (value > 0) for value in range(256)]))
    return np.clip(image, 0, 255).astype(np.uint8), np.asarray(label), boxes


def write_archive(
    path: str | os.PathLike[str],
    train: int = 160,
    val: int = 40,
    seed: int = 1,
    name: str = "SHAPES",
    size: tuple[int, int] = SIZE,
    radius: tuple[float, float] = RADIUS,
) -> str:
    """Write a tar archive of `train` + `val` images in VOC's folders, under VOCdevkit/`name`.

    These are JPEGImages/*.jpg, SegmentationClass/*.png (paletted, border 255), ImageSets/
    Segmentation/{train,val,trainval}.txt and Annotations/*.xml with the boxes. `size` and `radius`
    are those of `draw_image`. Returns the path.
    """
    random = np.random.RandomState(seed)
    palette = voc_palette().astype(np.uint8).ravel().tolist()
    ids = [f"shapes_{number:06d}" for number in range(train + val)]
    root = f"VOCdevkit/{name}/"
    sets = {"train": ids[:train], "val": ids[train:], "trainval": ids}

    with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w") as archive:

        def add(member: str, data: bytes) -> None:
            info = tarfile.TarInfo(root + member)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        for set_name, members in sets.items():
            text = "".join(f"{item}\n" for item in members)
            add(f"ImageSets/Segmentation/{set_name}.txt", text.encode())
        for item in ids:
            image, label, boxes = draw_image(random, size, radius=radius)
            add(f"JPEGImages/{item}.jpg", _encode(Image.fromarray(image), "JPEG", quality=92))
            mask = Image.fromarray(label, "P")
            mask.putpalette(palette)
            add(f"SegmentationClass/{item}.png", _encode(mask, "PNG"))
            add(f"Annotations/{item}.xml", _annotation(item, size, boxes).encode())
    return os.fspath(path)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _annotation(item: str, size: tuple[int, int], boxes: Iterable[Box]) -> str:
    height, width = size
    objects = "".join(
        f"<object><name>{CLASSES[index]}</name><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for index, left, top, right, bottom in boxes
    )
    return (
        f"<annotation><filename>{item}.jpg</filename><size><width>{width}</width>"
        f"<height>{height}</height><depth>3</depth></size>{objects}</annotation>"
    )
