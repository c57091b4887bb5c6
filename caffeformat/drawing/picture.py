"""A net's picture in all formats: SVG, PNG, PDF and DOT."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from caffeformat.errors import InputError
from caffeformat.files import atomic_write

from .dot import to_dot
from .graph import NetGraph
from .labels import state_text
from .raster import save_figure
from .scene import draw_scene
from .svg import to_svg

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from caffeformat.messages import pb

    from .scene import Scene


FORMATS = ("svg", "png", "pdf", "dot")


def draw_network(
    net: pb.NetParameter,
    shapes: Mapping[str, Sequence[int]] | None = None,
    highlight: Collection[str] = (),
    rankdir: str = "TB",
    display_lrm: bool = False,
) -> Drawing:
    """A `Drawing` of a NetParameter (see `filter_net` for one phase and stage of it).

    `shapes` (blob name -> shape) specifies shapes that the net does not, as for `infer_shapes`.
    Layers named in `highlight` stand out. `rankdir` is the direction away from the inputs: TB (top
    to bottom), BT, LR or RL. `display_lrm` shows learning-rate multipliers that are not all 1.

    A net that would not load is drawn as far as possible, and `Drawing.notes` reports its faults.
    Raises `InputError` for a net without layers.
    """
    graph = NetGraph(net, shapes, highlight)
    missing = set(highlight) - {layer.name for layer in net.layer}
    notes = graph.notes + [f'highlighted layer "{name}" is not in the net' for name in missing]
    scene = draw_scene(graph, net.name, state_text(net), rankdir, display_lrm)
    return Drawing(graph, scene, net.name, rankdir, display_lrm, notes)


class Drawing:
    """A net's picture.

    Attributes: `width` and `height` in pixels, and `notes`, texts about what could not be drawn.
    """

    def __init__(
        self,
        graph: NetGraph,
        scene: Scene,
        name: str,
        rankdir: str,
        display_lrm: bool,
        notes: list[str],
    ) -> None:
        self._graph, self._scene, self._name = graph, scene, name
        self._rankdir, self._display_lrm = rankdir, display_lrm
        self.width, self.height = scene.width, scene.height
        self.notes = notes

    def svg(self) -> str:
        """SVG text; hovering over a layer shows its full name and type."""
        return to_svg(self._scene)

    def dot(self) -> str:
        """DOT text for Graphviz, which computes its own layout."""
        return to_dot(self._graph, self._name, self._rankdir, self._display_lrm)

    def encode(self, file_format: str, scale: float = 2.0) -> bytes:
        """The picture as bytes in one of `FORMATS`.

        `scale` is the PNG's pixels per pixel of the drawing; it is reduced for very large drawings.
        """
        if file_format in ("svg", "dot"):
            return (self.svg() if file_format == "svg" else self.dot()).encode("utf-8")
        if file_format not in FORMATS:
            raise InputError(f"expected a format of {', '.join(FORMATS)}, found {file_format}")
        file = io.BytesIO()
        save_figure(self._scene, file, file_format, scale)
        return file.getvalue()

    def save(self, path: str | os.PathLike[str], scale: float = 2.0) -> None:
        """Write the picture as SVG, PNG, PDF or DOT, by the ending of `path`.

        A failure leaves whatever was at `path`. Raises `InputError` for other endings.
        """
        ending = os.path.splitext(os.fspath(path))[1].lower().lstrip(".")
        if ending not in FORMATS:
            raise InputError(
                f"{os.fspath(path)}: unknown picture format; choose a name that ends in "
                f"{', '.join('.' + name for name in FORMATS)}"
            )
        with atomic_write(path, "wb") as file:
            file.write(self.encode(ending, scale))
