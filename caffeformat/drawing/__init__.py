"""Pictures of nets: `draw_network(net).save("net.svg")`.

picture.py  what others use
graph.py    layers in rows, rows in boxes
labels.py   the text in them
layout.py   where boxes and lines go
scene.py    rectangles, lines and text; fonts.py: the width of text
svg.py, raster.py, dot.py   file formats
"""

from __future__ import annotations

from .picture import FORMATS, Drawing, draw_network
from .scene import DIRECTIONS

__all__ = ["DIRECTIONS", "FORMATS", "Drawing", "draw_network"]
