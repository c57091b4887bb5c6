"""What public forks add to Caffe's schema, as rows of the tables that `schema.py` builds from.

Forks give their fields different names but reuse field numbers: 147 of LayerParameter is
`swish_param` in BVLC Caffe, `domain_transform_param` in DeepLab and `forward_math` in NVIDIA Caffe.
Hence two kinds of schema:

- For text, where only names count, one schema for all. It has BVLC's fields under BVLC's numbers,
  and the fields of every fork under numbers from `_FIRST_NUMBER` on that no release uses, so that
  BVLC Caffe can still read files written with it (it skips unknown fields).
- For binary files, where only numbers count, one schema per fork.

`fork_fields.csv` and `fork_enums.csv` hold the facts. Where two forks add a field of the same name
to a message, its type and default agree, so the common schema loses nothing.
"""

from __future__ import annotations

import collections
import csv
import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    # One row of a table: column -> text
    Row = dict[str, str]

# Name as an argument -> title
FORKS = {
    "deeplab": "DeepLab",
    "nvcaffe": "NVIDIA Caffe",
    "pspnet": "PSPNet",
    "segnet": "SegNet",
    "ssd": "SSD",
}

_HERE = os.path.dirname(os.path.abspath(__file__))
# Fields that some Caffe or converter writes into texts. They are read into BVLC Caffe's own fields
# (see `dialects.py`), so that no binary file has them.
_LAYER, _V1_LAYER = "caffe.LayerParameter", "caffe.V1LayerParameter"
_SOFTMAX_LOSS = "caffe.SoftmaxLossParameter"
# Message, field, label, type, message of its values, default
_DIALECT_FIELDS = (
    ("caffe.ConvolutionParameter", "hole", "optional", "uint32", "", ""),
    ("caffe.ConvolutionParameter", "hole_h", "optional", "uint32", "", ""),
    ("caffe.ConvolutionParameter", "hole_w", "optional", "uint32", "", ""),
    ("caffe.PoolingParameter", "ceil_mode", "optional", "bool", "", "true"),
    (_LAYER, "strict_dim", "optional", "bool", "", "true"),
    (_V1_LAYER, "strict_dim", "optional", "bool", "", "true"),
    (_LAYER, "softmaxloss_param", "optional", "message", _SOFTMAX_LOSS, ""),
    (_V1_LAYER, "softmaxloss_param", "optional", "message", _SOFTMAX_LOSS, ""),
    (_SOFTMAX_LOSS, "weight_source", "optional", "string", "", ""),
    (_SOFTMAX_LOSS, "ignore_label", "repeated", "int32", "", ""),
)
_V1_TYPES = "caffe.V1LayerParameter.LayerType"
# Far from all numbers in use, below protobuf's limit of 2^29, outside its reserved 19000 to 19999.
_FIRST_NUMBER = 100_001


def read_table(name: str) -> list[Row]:
    """The rows of a table beside this module."""
    with open(os.path.join(_HERE, name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def bvlc_tables() -> tuple[list[Row], list[Row]]:
    """(field rows, enum rows) of BVLC Caffe."""
    return read_table("schema_fields.csv"), read_table("schema_enums.csv")


def fork_tables(fork: str) -> tuple[list[Row], list[Row]]:
    """(field rows, enum rows) of the schema of `fork`, under the fork's own numbers.

    Where the fork uses a number or a name differently from BVLC Caffe, the fork's meaning wins.
    """
    fields, enums = bvlc_tables()
    own_fields = [row for row in read_table("fork_fields.csv") if row["fork"] == fork]
    own_enums = [row for row in read_table("fork_enums.csv") if row["fork"] == fork]
    return (
        _replaced(fields, own_fields, "message", "field"),
        _replaced(enums, own_enums, "enum", "value"),
    )


def _replaced(rows: list[Row], own: list[Row], group: str, name: str) -> list[Row]:
    """`rows` without those whose name or number `own` uses, then `own`."""
    taken = {(row[group], row[key]) for row in own for key in (name, "number")}
    return [r for r in rows if not {(r[group], r[name]), (r[group], r["number"])} & taken] + own


def common_tables(v1_types: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """(field rows, enum rows) of all schemas in one; the module's docstring explains its numbers.

    `v1_types` are the V1 names of fork layers (`INTERP`), which old texts use.
    """
    fields, enums = bvlc_tables()
    added = read_table("fork_fields.csv")
    # The tables list no V1 fields, but texts of that time give V1 layers the same parameters.
    added += [
        {**row, "message": _V1_LAYER}
        for row in added
        if row["message"] == _LAYER and row["type"] == "message"
    ]
    added += [
        {"message": message, "field": field, "label": label, "type": kind, "of": of, "default": at}
        for message, field, label, kind, of, at in _DIALECT_FIELDS
    ]
    values = read_table("fork_enums.csv")
    values += [{"enum": _V1_TYPES, "value": name, "number": ""} for name in v1_types]
    return fields + _new_fields(fields, added), enums + _new_values(enums, values)


def _new_fields(rows: list[Row], added: list[Row]) -> list[Row]:
    """The rows of `added` whose field is new, once each, with numbers of our own."""
    result: list[Row] = []
    counts: collections.Counter[str] = collections.Counter()
    for row in _new_names(rows, added, "message", "field"):
        number = _FIRST_NUMBER + counts[row["message"]]
        counts[row["message"]] += 1
        result.append({**row, "number": str(number)})
    return result


def _new_values(rows: list[Row], added: list[Row]) -> list[Row]:
    """The rows of `added` whose enum value is new; free numbers are kept."""
    result: list[Row] = []
    taken = {(row["enum"], row["number"]) for row in rows}
    for row in _new_names(rows, added, "enum", "value"):
        number = row["number"]
        if not number or (row["enum"], number) in taken:
            number = str(_FIRST_NUMBER + len(result))
        taken.add((row["enum"], number))
        result.append({**row, "number": number})
    return result


def _new_names(rows: list[Row], added: list[Row], group: str, name: str) -> Iterator[Row]:
    """The rows of `added` whose name is in neither `rows` nor an earlier row."""
    known = {(row[group], row[name]) for row in rows}
    for row in added:
        if (row[group], row[name]) not in known:
            known.add((row[group], row[name]))
            yield row


@functools.cache
def origins() -> dict[tuple[str, str], list[str]]:
    """(message, field) -> the forks that have a field which BVLC Caffe lacks."""
    known = {(row["message"], row["field"]) for row in read_table("schema_fields.csv")}
    found: dict[tuple[str, str], list[str]] = {}
    for row in read_table("fork_fields.csv"):
        key = row["message"], row["field"]
        if key not in known:
            found.setdefault(key, []).append(row["fork"])
    return found
