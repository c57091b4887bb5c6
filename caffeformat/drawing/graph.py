"""The boxes of a picture: layers in rows, rows in boxes, and the blobs between them.

A layer shares a row with layers such as BatchNorm, Scale, ReLU or Dropout that are the only users
of its output; rows of one stride share a box if each is the only user of the previous one. So a box
begins where the net branches, joins or changes its resolution, which is what a picture should show.
"""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, NamedTuple

from caffeformat.errors import InputError
from caffeformat.geometry import infer_shapes, receptive_fields
from caffeformat.messages import pb

from . import labels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from fractions import Fraction

    from caffeformat.geometry import ReceptiveField

    # (maker, user, blob)
    Use = tuple[int, int, str]


class Edge(NamedTuple):
    """A blob that one box (an index) makes and another uses."""

    source: int
    target: int
    blob: str


MOST_ROWS = 12  # in a box


class Row:
    """A layer and its followers.

    `shape` (text) and `field` (None if not known) are those of the blob in which the row ends.
    """

    def __init__(self, layer: pb.LayerParameter) -> None:
        self.layers = [layer]
        self.name, self.kind = layer.name, labels.kind(layer)
        self.shape = ""
        self.field: ReceptiveField | None = None
        self.highlighted = False

    @property
    def stride(self) -> tuple[Fraction, ...] | None:
        """The stride of the row's last blob, or None if it is not known."""
        return None if self.field is None else self.field.stride

    @property
    def settings(self) -> str:
        """The layer's settings and, after dots, its followers."""
        followers = [labels.FOLLOWERS[layer.type] for layer in self.layers[1:]]
        return " · ".join([labels.settings(self.layers[0]), *followers])


class NetGraph:
    """The boxes (lists of `Row`s) and `Edge`s of a filtered net, in the order of its layers.

    `notes` explain what the picture leaves out: shapes that are not known or do not fit. Blobs that
    no layer makes get a row of their own.
    """

    def __init__(
        self,
        net: pb.NetParameter,
        shapes: Mapping[str, Sequence[int]] | None = None,
        highlight: Collection[str] = (),
    ) -> None:
        net = _with_sources(net)
        self.notes: list[str] = []
        blob_shapes = self._known_shapes(net, shapes or {})
        fields = self._fields(net)
        uses, size_uses = _uses(net)
        followed = _sole_uses(uses)
        rows: list[Row] = []
        row_of: dict[int, int] = {}
        for number, layer in enumerate(net.layer):
            before = followed.get(number)
            if before is not None and layer.type in labels.FOLLOWERS and _may_carry(net, before):
                row_of[number] = row_of[before]
                rows[row_of[number]].layers.append(layer)
            else:
                row_of[number] = len(rows)
                rows.append(Row(layer))
        for row in rows:
            self._describe(row, blob_shapes, fields, set(highlight))
        row_uses = [
            (row_of[source], row_of[target], blob)
            for source, target, blob in uses
            if row_of[source] != row_of[target]
        ]
        self.boxes, box_of = _boxes(rows, _sole_uses(row_uses))
        self.edges = [
            Edge(box_of[source], box_of[target], blob)
            for source, target, blob in row_uses
            if box_of[source] != box_of[target]
        ]
        self.size_edges = [
            Edge(box_of[row_of[source]], box_of[row_of[target]], blob)
            for source, target, blob in size_uses
        ]

    def _known_shapes(
        self, net: pb.NetParameter, given: Mapping[str, Sequence[int]]
    ) -> dict[str, tuple[int, ...]]:
        """Blob name -> shape, as far as known; a layer that does not fit adds a note."""
        shapes = {name: tuple(shape) for name, shape in given.items()}
        single = pb.NetParameter()
        for layer in net.layer:
            if not all(bottom in shapes for bottom in layer.bottom):
                continue
            # One layer at a time, so that one that does not fit does not affect the others.
            del single.layer[:]
            alone = single.layer.add()
            alone.CopyFrom(layer)
            known = {top: shapes[top] for top in layer.top if top in given}
            for index, bottom in enumerate(layer.bottom):
                alone.bottom[index] = f"{bottom} (in)" if bottom in layer.top else bottom
                known[alone.bottom[index]] = shapes[bottom]
            try:
                shapes.update(infer_shapes(single, known))
            except InputError as error:
                self.notes.append(str(error))
        return shapes

    def _fields(self, net: pb.NetParameter) -> dict[str, ReceptiveField]:
        try:
            return receptive_fields(net)
        except InputError as error:
            self.notes.append(str(error))
            return {}

    @staticmethod
    def _describe(
        row: Row,
        shapes: Mapping[str, tuple[int, ...]],
        fields: Mapping[str, ReceptiveField],
        highlight: Collection[str],
    ) -> None:
        last = row.layers[-1]
        if last.top:
            blob = last.top[0]
            row.shape = labels.shape_text(shapes[blob]) if blob in shapes else ""
            if blob in fields and row.kind != "loss":
                row.field = fields[blob]
        row.highlighted = any(layer.name in highlight for layer in row.layers)


def _with_sources(net: pb.NetParameter) -> pb.NetParameter:
    """A copy of `net` with Input layers, which have no shape, for bottoms that no layer makes."""
    made: set[str] = set()
    missing: list[str] = []
    for layer in net.layer:
        missing += [name for name in layer.bottom if name not in made and name not in missing]
        made.update(layer.top)
    complete = pb.NetParameter()
    for name in missing:
        complete.layer.add(name=name, type="Input", top=[name])
    for layer in net.layer:
        complete.layer.add().CopyFrom(layer)
    if not complete.layer:
        raise InputError(
            "no layers to draw: the net is empty, or has none for this phase and stage"
        )
    return complete


def _uses(net: pb.NetParameter) -> tuple[list[Use], list[Use]]:
    """(maker, user, blob) of every bottom, and separately of bottoms that only give a size.

    A net that was not filtered may make a blob in several layers, one per phase.
    """
    makers: collections.defaultdict[str, list[int]] = collections.defaultdict(list)
    uses: list[Use] = []
    size_uses: list[Use] = []
    for number, layer in enumerate(net.layer):
        for index, blob in enumerate(layer.bottom):
            only_size = layer.type == "Crop" and index == 1
            found = [(maker, number, blob) for maker in makers[blob]]
            (size_uses if only_size else uses).extend(found)
        for blob in layer.top:
            if blob in layer.bottom:
                makers[blob] = []
            makers[blob].append(number)
    return uses, size_uses


def _sole_uses(uses: Sequence[Use]) -> dict[int, int]:
    """user -> maker, if the user uses nothing else and nothing else uses the maker."""
    makers = collections.Counter(user for _, user, _ in uses)
    users = collections.Counter(maker for maker, _, _ in uses)
    return {user: maker for maker, user, _ in uses if makers[user] == 1 and users[maker] == 1}


def _may_carry(net: pb.NetParameter, number: int) -> bool:
    """Whether other layers may share the row of layer `number`; not for inputs and losses."""
    return labels.kind(net.layer[number]) not in ("input", "loss")


def _boxes(
    rows: Sequence[Row], followed: Mapping[int, int]
) -> tuple[list[list[Row]], dict[int, int]]:
    """Lists of rows; row index -> box index."""
    boxes: list[list[Row]] = []
    box_of: dict[int, int] = {}
    for number, row in enumerate(rows):
        before = followed.get(number)
        if before is not None and _same_stage(rows[before], row):
            box = boxes[box_of[before]]
            if len(box) < MOST_ROWS:
                box_of[number] = box_of[before]
                box.append(row)
                continue
        box_of[number] = len(boxes)
        boxes.append([row])
    return boxes, box_of


def _same_stage(before: Row, row: Row) -> bool:
    apart = {"input", "loss"}
    return before.stride == row.stride and not apart & {before.kind, row.kind}
