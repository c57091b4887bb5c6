"""Pictures of nets: `draw_network(net).save("net.svg")`.

graph.py    which boxes there are: layers in rows, rows in boxes
labels.py   what they say
layout.py   where they go
scene.py    rectangles, lines and text; fonts.py: how wide text is
svg.py, raster.py, dot.py   files
"""

import io
import os

from caffeformat.errors import InputError
from caffeformat.files import atomic_write

from .dot import to_dot
from .graph import NetGraph
from .labels import state_text
from .raster import save_figure
from .scene import DIRECTIONS, draw_scene
from .svg import to_svg

__all__ = ["DIRECTIONS", "FORMATS", "Drawing", "draw_network"]

FORMATS = ("svg", "png", "pdf", "dot")


def draw_network(net, shapes=None, highlight=(), rankdir="TB", display_lrm=False):
    """A `Drawing` of a NetParameter (see `filter_net` for one phase and stage of it).

    `shapes` (blob name -> shape) tells shapes that the net's text does not, as in `infer_shapes`;
    layers named in `highlight` stand out. `rankdir` is the direction from the inputs on: TB (top to
    bottom), BT, LR or RL. `display_lrm` shows learning-rate multipliers that are not all 1.

    Nets that would not load are drawn as far as their text tells; `Drawing.notes` says what was
    amiss. Raises `InputError` for a net without layers.
    """
    graph = NetGraph(net, shapes, highlight)
    missing = set(highlight) - {layer.name for layer in net.layer}
    notes = graph.notes + [f'highlighted layer "{name}" is not in the net' for name in missing]
    scene = draw_scene(graph, net.name, state_text(net), rankdir, display_lrm)
    return Drawing(graph, scene, net.name, rankdir, display_lrm, notes)


class Drawing:
    """A net's picture. `width` and `height` in pixels; `notes`, texts about what is left out."""

    def __init__(self, graph, scene, name, rankdir, display_lrm, notes):
        self._graph, self._scene, self._name = graph, scene, name
        self._rankdir, self._display_lrm = rankdir, display_lrm
        self.width, self.height = scene.width, scene.height
        self.notes = notes

    def svg(self):
        """SVG text; full layer names and types appear where the pointer rests."""
        return to_svg(self._scene)

    def dot(self):
        """DOT text for Graphviz, which then makes its own layout."""
        return to_dot(self._graph, self._name, self._rankdir, self._display_lrm)

    def encode(self, file_format, scale=2.0):
        """The picture as bytes in one of `FORMATS`.

        `scale` is pixels of a PNG for one of the drawing (fewer where it gets very large).
        """
        if file_format in ("svg", "dot"):
            return getattr(self, file_format)().encode("utf-8")
        if file_format not in FORMATS:
            raise InputError(f"pictures are {', '.join(FORMATS)}, not {file_format}")
        file = io.BytesIO()
        save_figure(self._scene, file, file_format, scale)
        return file.getvalue()

    def save(self, path, scale=2.0):
        """Write the picture: SVG, PNG, PDF or DOT by the name's ending.

        The file is written beside and renamed. Raises `InputError` for other endings.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower().lstrip(".")
        if ending not in FORMATS:
            raise InputError(
                f"{path}: pictures are written as {', '.join('.' + name for name in FORMATS)}"
            )
        with atomic_write(path, "wb") as file:
            file.write(self.encode(ending, scale))
