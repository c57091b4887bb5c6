"""Generated segmentation data in PASCAL VOC's layout: shapes on textured backgrounds.

A shape's outline is the only thing that tells its class: its colour and its texture come from the
same draw as the background's and every other class's, so a classifier of single pixels learns
nothing, while a network that sees outlines can learn all of it.
"""

import io
import math
import os
import tarfile

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from caffeformat import InputError
from caffeformat.files import atomic_write

from .palette import voc_palette

CLASSES = ("background", "disk", "square", "triangle", "star", "cross")
IGNORE = 255

# Height and width of an image, least and greatest radius of a shape, in pixels.
SIZE, RADIUS = (128, 128), (14, 24)
# The same for images as large as PASCAL VOC's, whose shapes cover as much of them as its objects.
VOC_SIZE, VOC_RADIUS = (375, 500), (60, 120)


def _outline(name, radius, angle):
    """Corner points, K x 2 in pixels around (0, 0), of a shape whose area is that of its disk.

    Equal areas keep the size of a shape from telling its class.
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


def _texture(random, height, width):
    """A height x width x 3 float32 patch: two random colours mixed by gratings and noise."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period, phase = random.uniform(0, math.pi), random.uniform(4, 16), random.uniform(0, 6)
    grating = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period) + phase)
    coarse = random.uniform(-1, 1, (max(1, height // 8), max(1, width // 8))).astype(np.float32)
    blotches = np.asarray(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))
    share = random.uniform(0, 1)
    mix = 0.5 + 0.5 * np.clip(share * grating + (1 - share) * 1.5 * blotches, -1, 1)[..., None]
    colour = random.uniform(20, 235, 3)
    other = np.clip(colour + random.uniform(-45, 45, 3), 0, 255)
    noise = random.normal(0, 6, (height, width, 1))
    return (colour * mix + other * (1 - mix) + noise).astype(np.float32)


def draw_image(random, size=SIZE, shapes=(1, 3), radius=RADIUS, border=1):
    """One image and its label.

    size: (height, width); shapes: fewest and most in an image, less where no more fit in; radius:
    least and greatest of the disk that a shape's area is that of, in pixels.

    Returns (image H x W x 3 uint8 RGB, label H x W uint8 with 255 on the `border` pixels either
    side of every outline, boxes: list of (class index, left, top, right, bottom)).
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
    boxes, placed = [], []
    for _ in range(random.randint(shapes[0], shapes[1] + 1)):
        for _attempt in range(40):
            r = random.uniform(*radius)
            centre = random.uniform(r, (width - r, height - r))
            reach = 1.45 * r  # a triangle's corner, the farthest of all shapes
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
        mask = mask.resize((width, height), Image.BOX)
        texture = _texture(random, height, width)
        while np.abs(texture.mean((0, 1)) - image.mean((0, 1))).sum() < 90:
            texture = _texture(random, height, width)  # an outline nobody can see teaches nothing
        alpha = np.asarray(mask, np.float32)[..., None] / 255
        image = image * (1 - alpha) + texture * alpha
        solid = mask.point(lambda value: 255 * (value >= 128))
        label.paste(index, mask=solid)
        window = 2 * border + 1
        ring = np.asarray(solid.filter(ImageFilter.MaxFilter(window))) != np.asarray(
            solid.filter(ImageFilter.MinFilter(window))
        )
        edges.paste(IGNORE, mask=Image.fromarray(ring))
        left, top = np.floor(polygon.min(0)).astype(int)
        right, bottom = np.ceil(polygon.max(0)).astype(int)
        boxes.append((index, left, top, right, bottom))
    label.paste(IGNORE, mask=edges.point(lambda value: 255 * (value > 0)))
    return np.clip(image, 0, 255).astype(np.uint8), np.asarray(label), boxes


def write_archive(path, train=160, val=40, seed=1, name="SHAPES", size=SIZE, radius=RADIUS):
    """Write a tar archive of `train` + `val` images with VOC's folders under VOCdevkit/`name`.

    size: (height, width) of the images; radius: of the shapes, see `draw_image`.
    JPEGImages/*.jpg, SegmentationClass/*.png (paletted, border 255), ImageSets/Segmentation/
    {train,val,trainval}.txt and Annotations/*.xml with the boxes.
    """
    random = np.random.RandomState(seed)
    palette = voc_palette().astype(np.uint8).ravel().tolist()
    ids = [f"shapes_{number:06d}" for number in range(train + val)]
    root = f"VOCdevkit/{name}/"
    sets = {"train": ids[:train], "val": ids[train:], "trainval": ids}

    with atomic_write(path) as file, tarfile.open(fileobj=file, mode="w") as archive:

        def add(member, data):
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


def _encode(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _annotation(item, size, boxes):
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
