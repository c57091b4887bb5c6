"""JSON files: written whole or not at all, unknown numbers as null, and read with care."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError, atomic_write, brief, read_bytes, reading

if TYPE_CHECKING:
    from typing import Union

    Path = Union[str, os.PathLike[str]]

# Far more than any settings take.
MOST_JSON = 16 << 20
_MOST_DIGITS = 4300  # of a whole number, as in newer versions of Python


def parse_json(text: str | bytes, source: Path, unique: bool = False) -> Any:
    """Parse JSON from `source`, which errors name; `FormatError` for anything else.

    That includes what is nested too deeply, numbers of thousands of digits and, with `unique`,
    objects that have one name twice, of which the last would count.
    """
    with reading(source, "is not JSON"):
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        hook = functools.partial(_distinct, source) if unique else None
        return json.loads(text, object_pairs_hook=hook, **_NUMBERS)


def _distinct(source: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise FormatError(source, f"has {brief(name)} twice in one JSON object")
        found[name] = value
    return found


def read_json(path: Path, most: int = MOST_JSON) -> Any:
    """Read the JSON file at `path`, of at most `most` bytes; raises as `parse_json` does."""
    return parse_json(read_bytes(path, most), path)


def read_json_object(path: Path, most: int = MOST_JSON) -> dict[str, Any]:
    """Read the JSON object in the file at `path`; raises as `read_json` does."""
    found = read_json(path, most)
    if not isinstance(found, dict):
        raise FormatError(path, f"expected a JSON object, found a {type(found).__name__}")
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


# Older versions of Python take a time that grows with the square of the number of digits.
_NUMBERS: dict[str, Any] = (
    {} if hasattr(sys, "get_int_max_str_digits") else {"parse_int": _whole_number}
)
JSON_DECODER = json.JSONDecoder(**_NUMBERS)


def write_json(path: str | os.PathLike[str], data: Any) -> None:
    """Write plain data as JSON, atomically."""
    with atomic_write(path, "w") as file:
        json.dump(data, file, indent=1, allow_nan=False)
        file.write("\n")


def known(value: Any) -> Any:
    """`value` for JSON: None in place of NaN and infinity, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
