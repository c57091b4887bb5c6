"""Which boxes a picture has: layers in rows, rows in boxes, and the blobs between them.

A layer and what follows it alone (BatchNorm, Scale, ReLU, Dropout, ...) share a row; rows of one
stride that follow each other alone share a box. So a box begins where the net branches, joins or
changes its resolution, which is what a picture is looked at for.
"""

import collections

from caffeformat.errors import InputError
from caffeformat.geometry import infer_shapes, receptive_fields
from caffeformat.messages import pb

from . import labels

Edge = collections.namedtuple("Edge", "source target blob")
Edge.__doc__ = """A blob on its way between two boxes (indices)."""

MOST_ROWS = 12  # in a box


class Row:
    """A layer with those that only follow it.

    `layers` (messages), `kind`, `name`, `settings` and `shape` (texts), `stride` and `field` (of
    the blob it ends in: tuples, or None), `highlighted`.
    """

    def __init__(self, layer):
        self.layers = [layer]
        self.name, self.kind = layer.name, labels.kind(layer)
        self.shape, self.stride, self.field = "", None, None
        self.highlighted = False

    @property
    def settings(self):
        """The layer's settings and, behind dots, what follows it."""
        followers = [labels.FOLLOWERS[layer.type] for layer in self.layers[1:]]
        return " · ".join([labels.settings(self.layers[0]), *followers])


class NetGraph:
    """The boxes (lists of `Row`s) and `Edge`s of a filtered net, in the order of its layers.

    `notes` tell what the picture leaves out and why: shapes that no text tells or that do not fit.
    Blobs that no layer makes get a row of their own.
    """

    def __init__(self, net, shapes=None, highlight=()):
        net = _with_sources(net)
        self.notes = []
        blob_shapes = self._known_shapes(net, shapes or {})
        fields = self._fields(net)
        uses, size_uses = _uses(net)
        followed = _sole_uses(uses)
        rows, row_of = [], {}
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

    def _known_shapes(self, net, given):
        """Blob name -> shape, as far as they are known; a layer that does not fit makes a note."""
        shapes, single = {name: tuple(shape) for name, shape in given.items()}, pb.NetParameter()
        for layer in net.layer:
            if not all(bottom in shapes for bottom in layer.bottom):
                continue
            # One layer at a time, so that one which does not fit spoils nothing else.
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

    def _fields(self, net):
        try:
            return receptive_fields(net)
        except InputError as error:
            self.notes.append(str(error))
            return {}

    @staticmethod
    def _describe(row, shapes, fields, highlight):
        last = row.layers[-1]
        if last.top:
            blob = last.top[0]
            row.shape = labels.shape_text(shapes[blob]) if blob in shapes else ""
            if blob in fields and row.kind != "loss":
                row.stride, row.field = fields[blob].stride, fields[blob].size
        row.highlighted = any(layer.name in highlight for layer in row.layers)


def _with_sources(net):
    """A copy of `net` whose missing bottoms are made by Input layers without a shape."""
    made, missing = set(), []
    for layer in net.layer:
        missing += [name for name in layer.bottom if name not in made and name not in missing]
        made.update(layer.top)
    complete = pb.NetParameter()
    for name in missing:
        complete.layer.add(name=name, type="Input", top=[name])
    for layer in net.layer:
        complete.layer.add().CopyFrom(layer)
    if not complete.layer:
        raise InputError("there are no layers to draw: does the phase or stage leave any?")
    return complete


def _uses(net):
    """(maker, user, blob) of every bottom, and apart the bottoms that only give a size.

    A net that was not filtered may make a blob in several layers, one for each phase.
    """
    makers, uses, size_uses = collections.defaultdict(list), [], []
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


def _sole_uses(uses):
    """user -> maker, where the one uses nothing else and the other is used by nothing else."""
    makers = collections.Counter(user for _, user, _ in uses)
    users = collections.Counter(maker for maker, _, _ in uses)
    return {user: maker for maker, user, _ in uses if makers[user] == 1 and users[maker] == 1}


def _may_carry(net, number):
    """Whether other layers may share the row of layer `number`: not of inputs, nor of losses."""
    return labels.kind(net.layer[number]) not in ("input", "loss")


def _boxes(rows, followed):
    """Lists of rows; row index -> box index."""
    boxes, box_of = [], {}
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


def _same_stage(before, row):
    apart = {"input", "loss"}
    return before.stride == row.stride and not apart & {before.kind, row.kind}
