"""A net's graph as DOT text, for those who lay it out with Graphviz."""

from . import labels
from .scene import COLOURS


def to_dot(graph, name, direction="TB", display_lrm=False):
    """DOT text of a `NetGraph`: the same boxes, rows and blobs as in the other pictures.

    Size-only bottoms of Crop layers are dashed and do not move anything.
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


def _node(rows, display_lrm):
    texts = []
    for row in rows:
        parts = [row.name, row.settings, row.shape]
        parts += [labels.multipliers(row.layers[0])] if display_lrm else []
        texts.append("  ".join(filter(None, parts)))
    last = rows[-1]
    if last.field is not None and last.kind != "input":
        texts.append(
            f"stride {labels.pair_text(last.stride)}, sees {labels.pair_text(last.field)} px"
        )
    # \l ends a line that is set to the left.
    label = "".join(_escaped(text) + "\\l" for text in texts)
    attributes = f'label="{label}", color="{COLOURS[rows[0].kind]}"'
    if any(row.highlighted for row in rows):
        attributes += ', fillcolor="#fde68a", penwidth=2'
    return attributes


def _quoted(text):
    return f'"{_escaped(text)}"'


def _escaped(text):
    """Safe between quotes: no quote or backslash of its own, no line break."""
    return " ".join(text.replace("\\", "\\\\").replace('"', '\\"').split())
