"""What public forks add to Caffe's schema, as rows of the tables that `schema.py` builds from.

Forks name fields apart but reuse field numbers: 147 of LayerParameter is `swish_param` in BVLC
Caffe, `domain_transform_param` in DeepLab, `forward_math` in NVIDIA Caffe. Hence two readings:

- of text, where only names count: one schema for all. It has BVLC's fields under BVLC's numbers and
  every fork's under numbers of its own from `_FIRST_NUMBER` on, which no release uses, so that
  files written with it are still read by BVLC Caffe (unknown fields are skipped).
- of binary files, where only numbers count: one schema for each fork.

`fork_fields.csv` and `fork_enums.csv` hold the facts. Two forks that give one message a field of
one name agree on its type and default, so nothing of them is lost in the common schema.
"""

import collections
import csv
import os

# Name, as commands take it -> title
FORKS = {
    "deeplab": "DeepLab",
    "nvcaffe": "NVIDIA Caffe",
    "pspnet": "PSPNet",
    "segnet": "SegNet",
    "ssd": "SSD",
}

_HERE = os.path.dirname(os.path.abspath(__file__))
_LAYER, _V1_LAYER = "caffe.LayerParameter", "caffe.V1LayerParameter"
_V1_TYPES = "caffe.V1LayerParameter.LayerType"
# Far from all that is in use; below protobuf's limit of 2^29 and outside its own 19000 to 19999.
_FIRST_NUMBER = 100_001


def read_table(name):
    """The rows (dicts) of a table beside this module."""
    with open(os.path.join(_HERE, name), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def bvlc_tables():
    """(field rows, enum rows) of BVLC Caffe."""
    return read_table("schema_fields.csv"), read_table("schema_enums.csv")


def fork_tables(fork):
    """(field rows, enum rows) of the schema of `fork`, under the fork's own numbers.

    Where the fork uses a number or a name otherwise than BVLC Caffe does, the fork's reading holds.
    """
    fields, enums = bvlc_tables()
    own_fields = [row for row in read_table("fork_fields.csv") if row["fork"] == fork]
    own_enums = [row for row in read_table("fork_enums.csv") if row["fork"] == fork]
    return (
        _replaced(fields, own_fields, "message", "field"),
        _replaced(enums, own_enums, "enum", "value"),
    )


def _replaced(rows, own, group, name):
    taken = {(row[group], row[key]) for row in own for key in (name, "number")}
    return [r for r in rows if not {(r[group], r[name]), (r[group], r["number"])} & taken] + own


def common_tables(v1_types):
    """(field rows, enum rows) of all schemas in one; see the module's text for its numbers.

    `v1_types` are names of fork layers in V1's form (`INTERP`), which texts of V1's time use.
    """
    fields, enums = bvlc_tables()
    added = read_table("fork_fields.csv")
    # The facts list no V1 form, but texts of that time give V1 layers the same parameters.
    added += [
        {**row, "message": _V1_LAYER}
        for row in added
        if row["message"] == _LAYER and row["type"] == "message"
    ]
    values = read_table("fork_enums.csv")
    values += [{"enum": _V1_TYPES, "value": name, "number": ""} for name in v1_types]
    return fields + _new_fields(fields, added), enums + _new_values(enums, values)


def _new_fields(rows, added):
    """The rows of `added` with fields that are new, each once, numbered for itself."""
    result, counts = [], collections.Counter()
    for row in _new_names(rows, added, "message", "field"):
        number = _FIRST_NUMBER + counts[row["message"]]
        counts[row["message"]] += 1
        result.append({**row, "number": str(number)})
    return result


def _new_values(rows, added):
    """The rows of `added` with enum values that are new; numbers stay where they are free."""
    result, taken = [], {(row["enum"], row["number"]) for row in rows}
    for row in _new_names(rows, added, "enum", "value"):
        number = row["number"]
        if not number or (row["enum"], number) in taken:
            number = str(_FIRST_NUMBER + len(result))
        taken.add((row["enum"], number))
        result.append({**row, "number": number})
    return result


def _new_names(rows, added, group, name):
    known = {(row[group], row[name]) for row in rows}
    for row in added:
        if (row[group], row[name]) not in known:
            known.add((row[group], row[name]))
            yield row


def origins():
    """(message, field) -> names of the forks that have this field and BVLC Caffe does not."""
    known = {(row["message"], row["field"]) for row in read_table("schema_fields.csv")}
    found = {}
    for row in read_table("fork_fields.csv"):
        key = row["message"], row["field"]
        if key not in known:
            found.setdefault(key, []).append(row["fork"])
    return found
