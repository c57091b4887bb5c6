"""A net's picture as shapes on a plane: rectangles, lines and text, for SVG and PNG alike.

Coordinates are pixels, x to the right and y downwards.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from caffeformat.errors import InputError

from . import labels
from .fonts import text_width
from .layout import RANK_GAP, lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Edge, NetGraph, Row
    from .layout import Place, Point

    Item = Union["Rectangle", "Line", "Text"]


class Rectangle(NamedTuple):
    """A rectangle with round corners; `title` is shown on hovering over it."""

    x: float
    y: float
    width: float
    height: float
    # Of the corners
    radius: float
    # Colours, and the width of the outline
    fill: str
    stroke: str = "none"
    line: float = 0
    title: str = ""


class Line(NamedTuple):
    """A path, closed if it has a fill."""

    # A letter and its points: ("M", point), ("L", point), ("C", two control points, point)
    commands: list[tuple[Any, ...]]
    stroke: str
    width: float
    fill: str = "none"


class Text(NamedTuple):
    """A line of text; `x` is where its start, middle or end (`anchor`) is, `y` its baseline."""

    x: float
    y: float
    text: str
    # Of the font
    size: float
    # Its colour
    fill: str
    bold: bool = False
    anchor: str = "start"


class Scene(NamedTuple):
    """A picture's size and its items, the first painted first."""

    width: float
    height: float
    items: list[Item]


DIRECTIONS = ("LR", "RL", "TB", "BT")
COLOURS = {
    "input": "#64748b",
    "convolution": "#2563eb",
    "upsampling": "#ea580c",
    "pooling": "#0d9488",
    "join": "#475569",
    "recurrent": "#be185d",
    "loss": "#dc2626",
    "other": "#a3a3a3",
}
_INK, _GREY, _FAINT, _EDGE, _SKIP = "#0f172a", "#475569", "#7c8aa0", "#7c8aa0", "#7c3aed"
_BANDS, _BORDER, _PAPER = ("#f1f5f9", "#e6ecf4"), "#b6c2d1", "#ffffff"
_MARK, _MARK_BORDER = "#fde68a", "#d97706"
_NAME, _SMALL, _LEGEND, _TITLE = 12, 10, 11, 19  # font sizes
_ROW, _PAD, _FOOT, _COLUMN = 21, 5, 15, 14
_MARGIN, _HEAD = 22, 64
_LONGEST_NAME = 44


def draw_scene(
    graph: NetGraph, name: str, state: str, direction: str = "TB", display_lrm: bool = False
) -> Scene:
    """The `Scene` of a `NetGraph`, with `name` and `state` (text) as its title."""
    if direction not in DIRECTIONS:
        raise InputError(f"rankdir is {direction}; expected one of {', '.join(DIRECTIONS)}")
    return _Painter(graph, direction, display_lrm).paint(name, state)


class _Card:
    """A box: the texts of its rows and their size."""

    def __init__(self, rows: Sequence[Row], display_lrm: bool) -> None:
        self.rows = rows
        self.texts: list[tuple[str, str, str]] = []
        for row in rows:
            words = row.settings
            rates = labels.multipliers(row.layers[0]) if display_lrm else ""
            words += f" · {rates}" if rates else ""
            self.texts.append((labels.shorten(row.name, _LONGEST_NAME), words, row.shape))
        last = rows[-1]
        self.foot = ""
        if last.field is not None and last.kind != "input":
            self.foot = f"stride {labels.pair_text(last.field.stride)} · sees "
            self.foot += f"{labels.pair_text(last.field.size)} px"
        sizes = ((_NAME, True), (_NAME, False), (_NAME, False))
        self.columns = [
            max(text_width(texts[n], size, bold) for texts in self.texts)
            for n, (size, bold) in enumerate(sizes)
        ]
        gaps = _COLUMN * (1 + bool(self.columns[2]))
        foot_width = text_width(self.foot, _SMALL)
        self.width = 12 + max(sum(self.columns) + gaps, foot_width) + 10
        self.height = 2 * _PAD + _ROW * len(rows) + (_FOOT if self.foot else 0)


class _Painter:
    """Collects the items of a scene."""

    def __init__(self, graph: NetGraph, direction: str, display_lrm: bool) -> None:
        self.graph, self.direction = graph, direction
        self.items: list[Item] = []
        self.cards = [_Card(rows, display_lrm) for rows in graph.boxes]
        self.vertical = direction in ("TB", "BT")
        sizes = [
            (card.width, card.height) if self.vertical else (card.height, card.width)
            for card in self.cards
        ]
        self.layout = lay_out(sizes, [(edge.source, edge.target) for edge in graph.edges])

    def paint(self, name: str, state: str) -> Scene:
        """The whole picture."""
        cross, flow = self.layout.extent
        bands = self._bands()
        # Room for the bands' names, beside or above them
        self.left = _MARGIN + (92 if bands and self.vertical else 0)
        self.top = _HEAD + (30 if bands and not self.vertical else 12)
        width, height = (cross, flow) if self.vertical else (flow, cross)
        self.width = max(self.left + width + _MARGIN, self._head_width(name, state))
        self.height = self.top + height + _MARGIN
        for number, (first, last, text) in enumerate(bands):
            self._paint_band(first, last, text, _BANDS[number % 2])
        for edge, route in zip(self.graph.edges, self.layout.routes):
            self._paint_edge(edge, route)
        for card, place in zip(self.cards, self.layout.places):
            self._paint_card(card, place)
        self._paint_head(name, state)
        return Scene(self.width, self.height, self.items)

    def _point(self, cross: float, flow: float) -> Point:
        if self.direction in ("BT", "RL"):
            flow = self.layout.extent[1] - flow
        x, y = (cross, flow) if self.vertical else (flow, cross)
        return self.left + x, self.top + y

    # stages

    def _bands(self) -> list[tuple[int, int, str]]:
        """(first rank, last rank, text) of neighbouring ranks that share a stride."""
        bands: list[tuple[int, int, str]] = []
        for number, rank in enumerate(self.layout.ranks):
            votes: collections.Counter[tuple[Any, ...] | None] = collections.Counter()
            for box in rank:
                for row in self.cards[box].rows:
                    votes[row.stride] += 1 if row.stride else 0
            stride = max(votes, key=lambda stride: votes[stride]) if votes else None
            if stride is None or not votes[stride]:
                continue
            text = f"stride {labels.pair_text(stride)}"
            if bands and bands[-1][2] == text and bands[-1][1] == number - 1:
                bands[-1] = (bands[-1][0], number, text)
            else:
                bands.append((number, number, text))
        return bands

    def _paint_band(self, first: int, last: int, text: str, fill: str) -> None:
        spans, half = self.layout.spans, RANK_GAP / 2
        one = self._point(0, spans[first][0] - half)
        two = self._point(0, spans[last][1] + half)
        if self.vertical:
            top, bottom = sorted((one[1], two[1]))
            top, bottom = max(top, self.top - 12), min(bottom, self.height - _MARGIN + 12)
            self._add(Rectangle(_MARGIN - 12, top, self.width - 20, bottom - top, 8, fill))
            self._add(Text(_MARGIN, top + 22, text, _NAME, _GREY, True))
        else:
            left, right = sorted((one[0], two[0]))
            left, right = max(left, _MARGIN - 12), min(right, self.width - _MARGIN + 12)
            top, bottom = self.top - 30, self.height - 10
            self._add(Rectangle(left, top, right - left, bottom - top, 8, fill))
            self._add(Text((left + right) / 2, top + 18, text, _NAME, _GREY, True, "middle"))

    # blobs

    def _paint_edge(self, edge: Edge, route: Sequence[Point]) -> None:
        source = self.cards[edge.source].rows[-1]
        skip = len(route) > 4 and source.kind != "input"
        colour, width = (_SKIP, 2.4) if skip else (_EDGE, 1.5)
        points = [self._point(*point) for point in route]
        commands: list[tuple[Any, ...]] = [("M", points[0]), ("L", points[1])]
        for number in range(1, len(points) - 2, 2):
            begin, end = points[number : number + 2]
            commands.append(("C", *self._bend(begin, end), end))
            commands.append(("L", points[number + 2]))
        self._add(Line(commands, colour, width))
        self._paint_arrow(points[-1], colour, 4 + width / 2)
        tops = source.layers[-1].top
        if len(tops) > 1:
            x, y = points[0]
            dx, dy = (5, 14) if self.vertical else (6, -5)
            dy = -6 if self.direction == "BT" else dy
            anchor = "end" if self.direction == "RL" else "start"
            dx = -dx if anchor == "end" else dx
            text = labels.shorten(edge.blob, 24)
            self._add(Text(x + dx, y + dy, text, _SMALL, _GREY, False, anchor))

    def _bend(self, begin: Point, end: Point) -> tuple[Point, Point]:
        """Control points between two ranks, so that the curve starts and ends along the flow."""
        if self.vertical:
            middle = (begin[1] + end[1]) / 2
            return (begin[0], middle), (end[0], middle)
        middle = (begin[0] + end[0]) / 2
        return (middle, begin[1]), (middle, end[1])

    def _paint_arrow(self, tip: Point, colour: str, size: float) -> None:
        x, y = tip
        back = {"TB": (0, -1), "BT": (0, 1), "LR": (-1, 0), "RL": (1, 0)}[self.direction]
        along = (back[0] * size * 1.7, back[1] * size * 1.7)
        across = (back[1] * size * 0.8, back[0] * size * 0.8)
        left = (x + along[0] + across[0], y + along[1] + across[1])
        right = (x + along[0] - across[0], y + along[1] - across[1])
        self._add(Line([("M", tip), ("L", left), ("L", right)], colour, 0.5, colour))

    # boxes

    def _paint_card(self, card: _Card, place: Place) -> None:
        x, y = self._point(*place)
        x, y = x - card.width / 2, y - card.height / 2
        marked = any(row.highlighted for row in card.rows)
        border, line = (_MARK_BORDER, 2) if marked else (_BORDER, 1)
        self._add(Rectangle(x, y, card.width, card.height, 6, _PAPER, border, line))
        name_x = x + 12
        settings_x = name_x + card.columns[0] + _COLUMN
        baseline = y + _PAD
        for row, (name, settings, shape) in zip(card.rows, card.texts):
            tip = "\n".join(f"{layer.name} ({layer.type})" for layer in row.layers)
            fill = _MARK if row.highlighted else _PAPER
            self._add(Rectangle(x + 3, baseline, card.width - 6, _ROW, 3, fill, title=tip))
            self._add(Rectangle(x + 3, baseline + 3, 4, _ROW - 6, 2, COLOURS[row.kind]))
            text_y = baseline + _ROW * 0.7
            self._add(Text(name_x, text_y, name, _NAME, _INK, True))
            self._add(Text(settings_x, text_y, settings, _NAME, _GREY))
            self._add(Text(x + card.width - 10, text_y, shape, _NAME, _INK, False, "end"))
            baseline += _ROW
        if card.foot:
            self._add(Text(name_x, baseline + 10, card.foot, _SMALL, _FAINT))

    # title and legend

    def _legend(self) -> list[tuple[str, str]]:
        """(colour, text) of the kinds of things in the picture."""
        kinds = {row.kind for card in self.cards for row in card.rows}
        entries = [(COLOURS[kind], kind) for kind in COLOURS if kind in kinds]
        if any(item.stroke == _SKIP for item in self.items if isinstance(item, Line)):
            entries.append((_SKIP, "skip path"))
        if any(row.highlighted for card in self.cards for row in card.rows):
            entries.append((_MARK_BORDER, "highlighted"))
        return entries

    def _subtitle(self, state: str) -> str:
        count = sum(len(row.layers) for card in self.cards for row in card.rows)
        return " · ".join(filter(None, [state, f"{count} layers"]))

    def _head_width(self, name: str, state: str) -> float:
        title = text_width(labels.shorten(name, 80), _TITLE, True) + 14
        title += text_width(self._subtitle(state), _NAME)
        legend = sum(26 + text_width(kind, _LEGEND) for kind in (*COLOURS, "skip path"))
        return 2 * _MARGIN + max(title, legend)

    def _paint_head(self, name: str, state: str) -> None:
        name = labels.shorten(name, 80)
        self._add(Text(_MARGIN - 10, 28, name, _TITLE, _INK, True))
        x = _MARGIN + 4 + text_width(name, _TITLE, True)
        self._add(Text(x if name else _MARGIN - 10, 28, self._subtitle(state), _NAME, _GREY))
        x = _MARGIN - 10
        for colour, text in self._legend():
            self._add(Rectangle(x, 42, 10, 10, 2, colour))
            self._add(Text(x + 14, 51, text, _LEGEND, _GREY))
            x += 26 + text_width(text, _LEGEND)

    def _add(self, item: Item) -> None:
        if not isinstance(item, Text) or item.text:
            self.items.append(item)
