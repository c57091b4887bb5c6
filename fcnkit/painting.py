"""Class maps as pictures: painted, laid over images, side by side, and what the colours mean."""

import collections

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .palette import IGNORE_LABEL

# One class of a class map: its index, name, colour (R, G, B) and share of the pixels (0 to 1).
LegendEntry = collections.namedtuple("LegendEntry", "index name colour share")

_LINE = 16  # height of a line of text, pixels


def paint(class_map, palette):
    """H x W uint8 class indices -> H x W x 3 uint8 RGB by `palette` (256 x 3 uint8)."""
    return np.asarray(palette, np.uint8)[class_map]


def overlay(image, class_map, palette, opacity=0.6, see_through=None):
    """`class_map` painted over `image` (H x W x 3 uint8) with `opacity` 0 to 1 -> H x W x 3 uint8.

    Pixels of the classes in `see_through` keep the image. By default those are the classes that the
    palette paints black, as VOC's palette does with the background.
    """
    if image.shape[:2] != class_map.shape:
        raise ValueError(f"image {image.shape[:2]} and class map {class_map.shape} differ in size")
    palette = np.asarray(palette, np.uint8)
    strength = np.full(256, round(opacity * 256), np.int32)
    if see_through is None:
        strength[~palette.any(axis=1)] = 0
    else:
        strength[list(see_through)] = 0
    strength = strength[class_map][..., None]
    # Weights are out of 256, so that 8 bits of shift divide and nothing leaves the integers.
    mixed = image.astype(np.int32) * (256 - strength) + paint(class_map, palette) * strength
    return ((mixed + 128) >> 8).astype(np.uint8)


def legend(class_map, palette, names=(), ignore=IGNORE_LABEL):
    """The classes in `class_map` as a list of `LegendEntry`, the largest share first.

    Shares count all pixels; classes past `names` are called `class <i>`, `ignore` "ignore".
    """
    counts = np.bincount(np.asarray(class_map, np.uint8).ravel(), minlength=256)
    entries = []
    for index in np.flatnonzero(counts).tolist():
        if index == ignore:
            name = "ignore"
        else:
            name = names[index] if index < len(names) else f"class {index}"
        colour = tuple(np.asarray(palette)[index].tolist())
        entries.append(LegendEntry(index, name, colour, counts[index] / class_map.size))
    return sorted(entries, key=lambda entry: (-entry.share, entry.index))


def legend_image(entries, columns=1, width=200):
    """`LegendEntry`s as a picture, a swatch, name and share each; H x W x 3 uint8 RGB."""
    rows = max(1, -(-len(entries) // columns))
    sheet = Image.new("RGB", (columns * width, rows * _LINE + 4), "white")
    draw = ImageDraw.Draw(sheet)
    for number, entry in enumerate(entries):
        column, row = divmod(number, rows)
        x, y = column * width + 4, row * _LINE + 2
        draw.rectangle([x, y + 1, x + 20, y + _LINE - 3], fill=entry.colour, outline="black")
        text = f"{entry.name}  {100 * entry.share:.1f}%"
        _text(draw, (x + 26, y + 1), text, width - 34)
    return np.array(sheet)


def contact_sheet(rows, headings=(), captions=(), cell=(320, 240)):
    """Pictures side by side, a row each; returns H x W x 3 uint8 RGB.

    `rows` is a sequence of sequences of H x W x 3 uint8 pictures of any size, shown whole within
    `cell` (width, height) pixels and never enlarged past it; `headings` name the columns,
    `captions` the rows.
    """
    rows = [list(row) for row in rows]
    columns = max([len(row) for row in rows] + [len(headings), 1])
    width, height = cell
    gap = 4
    top = _LINE if headings else 0
    step = height + gap + (_LINE if captions else 0)
    sheet = Image.new(
        "RGB", (columns * (width + gap) + gap, top + gap + max(1, len(rows)) * step), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        _text(draw, (gap + column * (width + gap), 1), heading, width)
    for number, row in enumerate(rows):
        y = top + gap + number * step
        for column, picture in enumerate(row):
            picture = _fitted(picture, cell)
            x = gap + column * (width + gap)
            offset = ((width - picture.width) // 2, (height - picture.height) // 2)
            sheet.paste(picture, (x + offset[0], y + offset[1]))
        if number < len(captions):
            _text(draw, (gap, y + height), captions[number], sheet.width - 2 * gap)
    return np.array(sheet)


def _fitted(picture, cell):
    """`picture` as a PIL image as large as fits into `cell`, proportions kept."""
    image = Image.fromarray(picture)
    scale = min(cell[0] / image.width, cell[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return image
    # Means of whole areas when made smaller, plain squares when made larger: nothing is invented.
    return image.resize(size, Image.BOX if scale < 1 else Image.NEAREST)


def _text(draw, place, text, width):
    """Write `text` in black, cut to about `width` pixels."""
    font = ImageFont.load_default()
    # Pillow's built-in bitmap font, all that older versions have, knows Latin-1 only.
    if not isinstance(font, ImageFont.FreeTypeFont):
        text = text.encode("latin-1", "replace").decode("latin-1")
    length = len(text)
    while length > 1 and _text_width(draw, text[:length], font) > width:
        length -= max(1, length // 16)
    draw.text(place, text[:length], fill="black", font=font)


def _text_width(draw, text, font):
    if hasattr(draw, "textlength"):
        return draw.textlength(text, font=font)
    return draw.textsize(text, font=font)[0]
