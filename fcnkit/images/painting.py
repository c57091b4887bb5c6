"""Paints class maps: as pictures, as overlays on images, as contact sheets, with legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .palette import IGNORE_LABEL
from .reading import Resampling

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray
    from PIL import ImageDraw, ImageFont


@dataclass(frozen=True)
class LegendEntry:
    """One class of a class map."""

    index: int
    name: str
    colour: tuple[int, ...]  # R, G, B
    share: float  # of the pixels, 0 to 1


_LINE = 16  # height of a line of text, pixels
_OVERLAY_PIXELS = 1 << 13  # that are mixed at a time, in the processor's cache


def paint(class_map: NDArray[np.uint8], palette: ArrayLike) -> NDArray[np.uint8]:
    """Paint H x W uint8 class indices with `palette` (256 x 3 uint8): H x W x 3 uint8 RGB."""
    return np.asarray(palette, np.uint8)[class_map]


def overlay(
    image: NDArray[np.uint8],
    class_map: NDArray[np.uint8],
    palette: ArrayLike,
    opacity: float = 0.6,
    see_through: Collection[int] | None = None,
) -> NDArray[np.uint8]:
    """Paint `class_map` over `image` (H x W x 3 uint8) with `opacity` 0 to 1: H x W x 3 uint8.

    Pixels of the classes in `see_through` show the image unchanged. By default those are the
    classes that the palette paints black, as VOC's palette does with the background.
    """
    if image.shape[:2] != class_map.shape:
        raise ValueError(f"image {image.shape[:2]} and class map {class_map.shape} differ in size")
    palette = np.asarray(palette, np.uint8)
    strength = np.full(256, round(opacity * 256), np.uint16)
    if see_through is None:
        strength[~palette.any(axis=1)] = 0
    else:
        strength[list(see_through)] = 0
    # Weights are out of 256, so that a shift by 8 bits divides, and all sums fit 16 bits.
    weight = np.repeat((np.uint16(256) - strength)[:, None], 3, axis=1)
    added = palette * strength[:, None] + np.uint16(128)
    painted = np.empty((*class_map.shape, 3), np.uint8)
    rows = max(1, _OVERLAY_PIXELS // max(1, class_map.shape[1]))
    for top in range(0, len(class_map), rows):
        pixels, classes = image[top : top + rows], class_map[top : top + rows]
        mixed = weight.take(classes, axis=0)
        mixed *= pixels
        mixed += added.take(classes, axis=0)
        mixed >>= 8
        painted[top : top + rows] = mixed
    return painted


def legend(
    class_map: NDArray[np.uint8],
    palette: ArrayLike,
    names: Sequence[str] = (),
    ignore: int | None = IGNORE_LABEL,
) -> list[LegendEntry]:
    """List the classes in `class_map`, the largest share first.

    Shares count all pixels; classes beyond `names` are called `class <i>`, `ignore` "ignore".
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


def legend_image(
    entries: Sequence[LegendEntry], columns: int = 1, width: int = 200
) -> NDArray[np.uint8]:
    """Draw a legend with a swatch, name and share per entry; H x W x 3 uint8 RGB."""
    rows = max(1, -(-len(entries) // columns))
    sheet = Image.new("RGB", (columns * width, rows * _LINE + 4), "white")
    draw = _drawing(sheet)
    for number, entry in enumerate(entries):
        column, row = divmod(number, rows)
        x, y = column * width + 4, row * _LINE + 2
        draw.rectangle([x, y + 1, x + 20, y + _LINE - 3], fill=entry.colour, outline="black")
        text = f"{entry.name}  {100 * entry.share:.1f}%"
        _text(draw, (x + 26, y + 1), text, width - 34)
    return np.array(sheet)


def contact_sheet(
    rows: Iterable[Iterable[NDArray[np.uint8]]],
    headings: Sequence[str] = (),
    captions: Sequence[str] = (),
    cell: tuple[int, int] = (320, 240),
) -> NDArray[np.uint8]:
    """Arrange rows of pictures on one sheet; returns H x W x 3 uint8 RGB.

    `rows` holds H x W x 3 uint8 pictures of any size, each shown whole and as large as fits into
    `cell` (width, height) pixels; `headings` name the columns, `captions` the rows.
    """
    grid = [list(row) for row in rows]
    columns = max([len(row) for row in grid] + [len(headings), 1])
    width, height = cell
    gap = 4
    top = _LINE if headings else 0
    step = height + gap + (_LINE if captions else 0)
    sheet = Image.new(
        "RGB", (columns * (width + gap) + gap, top + gap + max(1, len(grid)) * step), "white"
    )
    draw = _drawing(sheet)
    for column, heading in enumerate(headings):
        _text(draw, (gap + column * (width + gap), 1), heading, width)
    for number, row in enumerate(grid):
        y = top + gap + number * step
        for column, pixels in enumerate(row):
            picture = _fitted(pixels, cell)
            x = gap + column * (width + gap)
            offset = ((width - picture.width) // 2, (height - picture.height) // 2)
            sheet.paste(picture, (x + offset[0], y + offset[1]))
        if number < len(captions):
            _text(draw, (gap, y + height), captions[number], sheet.width - 2 * gap)
    return np.array(sheet)


def _fitted(picture: NDArray[np.uint8], cell: tuple[int, int]) -> Image.Image:
    """Resize `picture` to fit into `cell`, keeping its proportions."""
    image = Image.fromarray(picture)
    scale = min(cell[0] / image.width, cell[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if size == image.size:
        return image
    # Mean of areas when shrinking, plain squares when enlarging: no interpolated values.
    return image.resize(size, Resampling.BOX if scale < 1 else Resampling.NEAREST)


def _drawing(sheet: Image.Image) -> ImageDraw.ImageDraw:
    from PIL import ImageDraw  # with its fonts, which few who read images need

    return ImageDraw.Draw(sheet)


def _text(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int) -> None:
    """Write `text` in black, cut to about `width` pixels."""
    from PIL import ImageFont

    font = ImageFont.load_default()
    # Older versions of Pillow have only a built-in bitmap font, limited to Latin-1.
    if not isinstance(font, ImageFont.FreeTypeFont):
        text = text.encode("latin-1", "replace").decode("latin-1")
    length = len(text)
    while length > 1 and _text_width(draw, text[:length], font) > width:
        length -= max(1, length // 16)
    draw.text(place, text[:length], fill="black", font=font)


def _text_width(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> float:
    if hasattr(draw, "textlength"):
        return draw.textlength(text, font=font)
    return draw.textsize(text, font=font)[0]  # type: ignore[attr-defined]  # Pillow before 8
