"""The table of what automatic surgery did: layer, action, stride, receptive field, crop offset."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import geometry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caffeformat import pb

    from .fcn import FCN


class Row(NamedTuple):
    """One line of the table, as text."""

    # A layer, or the first and last of a series that was kept
    layer: str
    # What happened to it
    action: str
    # Stride and receptive field of its top, in pixels of the image
    stride: str
    field: str
    # Of a crop
    offset: str


_HEADINGS = Row("layer", "what happened", "stride", "receptive field", "crop offset")


def rows(fcn: FCN) -> list[Row]:
    """The `Row`s of an FCN, in the order of its layers, then those of the layers dropped."""
    fields = geometry.receptive_fields(fcn.net)
    notes = dict(fcn.changes)
    for stage in fcn.stages[1:]:
        # In-place layers after the one that makes a blob are the same features.
        name = next(layer.name for layer in fcn.net.layer if stage.blob in layer.top)
        notes[name] = ", ".join(
            filter(None, [notes.get(name), f"features of stride {stage.stride}"])
        )
    found: list[Row] = []
    kept: list[pb.LayerParameter] = []
    for layer in fcn.net.layer:
        if layer.name not in notes:
            kept.append(layer)
            continue
        found += _kept_row(kept, fields)
        kept = []
        offset = " x ".join(map(str, layer.crop_param.offset)) if layer.type == "Crop" else ""
        found.append(Row(layer.name, notes[layer.name], *_place(layer, fields), offset))
    found += _kept_row(kept, fields)
    return found + _dropped_rows(fcn.dropped)


def format_table(fcn: FCN) -> str:
    """The rows as aligned text, with the padding below."""
    lines = [_HEADINGS, *rows(fcn)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    pad = (
        f"is padded by {fcn.pad} pixel{'s' if fcn.pad > 1 else ''}" if fcn.pad else "is not padded"
    )
    text.append(f"the image {pad} beyond the classifier's own padding")
    return "\n".join(line.rstrip() for line in text)


def _kept_row(
    kept: Sequence[pb.LayerParameter], fields: Mapping[str, geometry.ReceptiveField]
) -> list[Row]:
    if not kept:
        return []
    name = _range([layer.name for layer in kept])
    return [Row(name, f"kept ({len(kept)})", *_place(kept[-1], fields), "")]


def _dropped_rows(dropped: Iterable[tuple[str, str]]) -> list[Row]:
    found = []
    for why, group in itertools.groupby(dropped, key=lambda pair: pair[1]):
        names = [name for name, _ in group]
        count = f" ({len(names)})" if len(names) > 1 else ""
        found.append(Row(_range(names), f"dropped: {why}{count}", "", "", ""))
    return found


def _range(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]}"


def _place(
    layer: pb.LayerParameter, fields: Mapping[str, geometry.ReceptiveField]
) -> tuple[str, str]:
    field = fields.get(layer.top[0])
    if field is None:
        return "", ""
    return _pair(f"{float(stride):g}" for stride in field.stride), _pair(map(str, field.size))


def _pair(values: Iterable[str]) -> str:
    return " x ".join(dict.fromkeys(values))
