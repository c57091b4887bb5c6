"""A net's graph as DOT text, for layout by Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat.errors import printable

from . import labels
from .scene import COLOURS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import NetGraph, Row


def to_dot(graph: NetGraph, name: str, direction: str = "TB", display_lrm: bool = False) -> str:
    """DOT text of a `NetGraph`: the same boxes, rows and blobs as in the other pictures.

    Size-only bottoms of Crop layers are dashed and do not affect the layout.
    """
    lines = [
        f"digraph {_quoted(name or 'net')} {{",
        f"  rankdir={direction};",
        '  node [shape=box, style="filled,rounded", fillcolor=white, fontname="DejaVu Sans"];',
        '  edge [fontname="DejaVu Sans", fontsize=10];',
    ]
    for number, rows in enumerate(graph.boxes):
        lines.append(f"  box{number} [{_node(rows, display_lrm)}];")
    for edge in graph.edges:
        tops = graph.boxes[edge.source][-1].layers[-1].top
        label = f" [label={_quoted(edge.blob)}]" if len(tops) > 1 else ""
        lines.append(f"  box{edge.source} -> box{edge.target}{label};")
    for edge in graph.size_edges:
        if edge.source != edge.target:
            lines.append(
                f"  box{edge.source} -> box{edge.target} [style=dashed, constraint=false];"
            )
    return "\n".join([*lines, "}", ""])


def _node(rows: Sequence[Row], display_lrm: bool) -> str:
    texts = []
    for row in rows:
        parts = [row.name, row.settings, row.shape]
        parts += [labels.multipliers(row.layers[0])] if display_lrm else []
        texts.append("  ".join(filter(None, parts)))
    last = rows[-1]
    if last.field is not None and last.kind != "input":
        texts.append(
            f"stride {labels.pair_text(last.field.stride)}, "
            f"sees {labels.pair_text(last.field.size)} px"
        )
    # \l ends a left-aligned line.
    label = "".join(_escaped(text) + "\\l" for text in texts)
    attributes = f'label="{label}", color="{COLOURS[rows[0].kind]}"'
    if any(row.highlighted for row in rows):
        attributes += ', fillcolor="#fde68a", penwidth=2'
    return attributes


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """`text` made safe between quotes: escaped, and without line breaks."""
    return " ".join(printable(text).replace("\\", "\\\\").replace('"', '\\"').split())
