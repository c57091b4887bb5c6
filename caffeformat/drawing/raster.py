"""Renders a scene with matplotlib: PNG, PDF and other formats that it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Literal

from caffeformat.errors import printable

from .scene import Line, Rectangle

if TYPE_CHECKING:
    from matplotlib.artist import Artist

    from .scene import Item, Scene


_DPI = 72  # one point of the figure is one pixel of the scene
_LONGEST_SIDE, _MOST_PIXELS = 32000, 120e6  # limits of Agg, and of common viewers


def save_figure(scene: Scene, file: BinaryIO, file_format: str, scale: float = 2.0) -> None:
    """Write a `Scene` to the open binary `file`.

    `scale` is the picture's pixels per pixel of the scene; it is reduced for very large scenes.
    """
    # Imported here because it is slow to load.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scale = min(scale, _LONGEST_SIDE / max(scene.width, scene.height))
    scale = min(scale, (_MOST_PIXELS / (scene.width * scene.height)) ** 0.5)
    figure = Figure(figsize=(scene.width / _DPI, scene.height / _DPI), dpi=_DPI * scale)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    axes.axis("off")
    for order, item in enumerate(scene.items):
        axes.add_artist(_artist(item, order))
    figure.savefig(file, format=file_format, dpi=_DPI * scale, facecolor="white")


def _artist(item: Item, order: int) -> Artist:
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.path import Path
    from matplotlib.text import Text

    if isinstance(item, Rectangle):
        style = f"round,pad=0,rounding_size={min(item.radius, item.width / 2, item.height / 2)}"
        return FancyBboxPatch(
            (item.x, item.y), item.width, item.height, boxstyle=style, facecolor=item.fill,
            edgecolor=item.stroke, linewidth=item.line, zorder=order, mutation_aspect=1,
        )  # fmt: skip
    if isinstance(item, Line):
        codes = {"M": [Path.MOVETO], "L": [Path.LINETO], "C": [Path.CURVE4] * 3}
        vertices = [point for _, *points in item.commands for point in points]
        steps = [code for letter, *_ in item.commands for code in codes[letter]]
        return PathPatch(
            Path(vertices, steps), facecolor=item.fill, edgecolor=item.stroke,
            linewidth=item.width, zorder=order, capstyle="butt",
        )  # fmt: skip
    aligns: dict[str, Literal["left", "center", "right"]] = {
        "start": "left",
        "middle": "center",
        "end": "right",
    }
    text = Text(
        item.x, item.y, printable(item.text).replace("$", r"\$"),
        fontsize=item.size, color=item.fill,
        fontweight="bold" if item.bold else "normal", fontfamily="DejaVu Sans",
        horizontalalignment=aligns[item.anchor], verticalalignment="baseline", zorder=order,
    )  # fmt: skip
    return text
