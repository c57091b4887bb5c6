"""A scene as SVG text."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from caffeformat.errors import printable

from .scene import Line, Rectangle

if TYPE_CHECKING:
    from .scene import Scene, Text


_FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"


def to_svg(scene: Scene) -> str:
    """The SVG document of a `Scene`, to be saved as UTF-8."""
    width, height = round(scene.width), round(scene.height)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="{_FONT}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for item in scene.items:
        if isinstance(item, Rectangle):
            lines.append(_rectangle(item))
        elif isinstance(item, Line):
            lines.append(_line(item))
        else:
            lines.append(_text(item))
    return "\n".join([*lines, "</svg>", ""])


def _rectangle(item: Rectangle) -> str:
    attributes = (
        f'x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" '
        f'rx="{item.radius}" fill="{item.fill}" stroke="{item.stroke}" stroke-width="{item.line}"'
    )
    if not item.title:
        return f"<rect {attributes}/>"
    return f"<rect {attributes}><title>{_clean(item.title)}</title></rect>"


def _line(item: Line) -> str:
    data = " ".join(
        letter + " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        for letter, *points in item.commands
    )
    if item.fill != "none":
        data += " Z"
    return (
        f'<path d="{data}" stroke="{item.stroke}" stroke-width="{item.width}" fill="{item.fill}"/>'
    )


def _text(item: Text) -> str:
    weight = ' font-weight="bold"' if item.bold else ""
    return (
        f'<text x="{item.x:.1f}" y="{item.y:.1f}" font-size="{item.size}" fill="{item.fill}" '
        f'text-anchor="{html.escape(item.anchor)}"{weight}>{_clean(item.text)}</text>'
    )


def _clean(text: str) -> str:
    """`text` escaped, also the control characters that XML does not allow."""
    return html.escape(printable(text), quote=False)
