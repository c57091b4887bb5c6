"""Prototxt: Caffe's messages as text, with errors that name the place and the likely intention.

Parsing uses protobuf's own text format, which, like Caffe, rejects a singular field given twice.
This module adds the file's name, the nearest known name, and the place where a brace was left open.
Writing does not use protobuf, so that the text is the same for every release of it, and looks like
Caffe's own (`lr_mult: 1`, fields in the order of their numbers).
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor import FieldDescriptor

from caffeformat.errors import FormatError
from caffeformat.files import atomic_write, read_bytes

from .elsewhere import field_elsewhere, v1_type_elsewhere

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from google.protobuf.message import Message


_M = TypeVar("_M", bound="Message")
_PLACE = re.compile(r"^\d+:\d+ : ")
_NO_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]*)"')
_NO_ENUM_VALUE = re.compile(r'Enum type "([\w.]+)" has no value (?:named|with number) (\S+?)\.$')
_TWICE = re.compile(r'should not have multiple "(\w+)" fields')
_LOOSE_MINUS = re.compile(r"-\s+[\d.in]")
# A comment or a string, or a minus and the blanks after it
_MINUS = re.compile(
    r"#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|(?<![^\s:,\[])-(?P<blank>\s+)(?=[\d.in])"
)
# How texts begin that Windows' editors call Unicode, and nothing that protobuf writes.
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# A comment, a string with its escapes, or a brace: what must be distinguished to match braces.
_BRACES = re.compile(r"#[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|[{}<>]")


def parse_text(text: str, message_class: type[_M], source: str | os.PathLike[str] = "<text>") -> _M:
    """Parse prototxt `text` (str) into a new `message_class`.

    Raises `FormatError` with line and column, naming `source`.
    """
    message = message_class()
    try:
        text_format.Parse(_with_joined_minus(text), message)
    except text_format.ParseError as error:
        line, column = error.GetLine() or 0, error.GetColumn() or 0
        problem = _explain(str(error), text, message.DESCRIPTOR, line, column)
        raise FormatError(source, problem, line or None, column or None) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(source, f"cannot be parsed: {error}") from None
    missing = message.FindInitializationErrors()  # type: ignore[attr-defined]  # not in the stubs
    if missing:
        raise FormatError(source, f"required fields are missing: {', '.join(missing)}")
    return message


def read_text(path: str | os.PathLike[str], message_class: type[_M]) -> _M:
    """Read a prototxt file into a new `message_class`; `InputError` if that fails."""
    data = read_bytes(path)
    name = message_class.DESCRIPTOR.name
    if data.startswith(UTF_16):
        raise FormatError(path, "the text is UTF-16; save the file as UTF-8")
    if b"\0" in data:
        raise FormatError(path, f"a binary file; expected the text of a {name}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        found = data[error.start]
        raise FormatError(
            path, f"byte 0x{found:02x} is not UTF-8; save the file as UTF-8", line, column
        ) from None
    message = parse_text(text, message_class, source=path)
    if not message.ListFields():
        raise FormatError(path, f"the file is empty; expected the text of a {name}")
    return message


def format_text(message: Message) -> str:
    """The prototxt of `message` (str), ending in a newline unless it is empty."""
    lines: list[str] = []
    _format_fields(message, "", lines)
    return "".join(line + "\n" for line in lines)


def write_text(path: str | os.PathLike[str], message: Message) -> None:
    """Write `message` as prototxt; whatever was at `path` stays if that fails."""
    with atomic_write(path, "w") as file:
        file.write(format_text(message))


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean ...?` for the closest of the names `known`, or an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    if not match:
        lowered = {other.lower(): other for other in known}
        match = [
            lowered[key] for key in difflib.get_close_matches(name.lower(), lowered, 1, cutoff=0.6)
        ]
    return f' Did you mean "{match[0]}"?' if match else ""


def _with_joined_minus(text: str) -> str:
    """`text` with each minus right before its number: Caffe's parser allows blanks between them.

    Blanks move before the minus, so that lines and columns stay.
    """
    if not _LOOSE_MINUS.search(text):
        return text

    def join(match: re.Match[str]) -> str:
        return match["blank"] + "-" if match["blank"] else match.group()

    return _MINUS.sub(join, text)


def _explain(problem: str, text: str, root: Any, line: int, column: int) -> str:
    """protobuf's error message, reworded for the author of the file."""
    problem = _PLACE.sub("", problem)
    lines = text.split("\n")
    here = lines[line - 1] if 0 < line <= len(lines) else ""
    for quoted in (here, here.rstrip("\r")):
        if problem.startswith(f"'{quoted}': "):
            problem = problem[len(quoted) + 4 :]
    match = _NO_FIELD.search(problem)
    if match:
        return _explain_field(match.group(1), match.group(2), text, root, line, column)
    match = _NO_ENUM_VALUE.search(problem)
    if match:
        enum = root.file.pool.FindEnumTypeByName(match.group(1))
        known = [value.name for value in enum.values]
        other = v1_type_elsewhere(match.group(2)) if enum.name == "LayerType" else None
        if other is not None:
            return f"{match.group(2)}: {other}."
        return (
            f'{match.group(1).partition(".")[2]} has no value "{match.group(2)}".'
            f"{nearest(match.group(2), known)} Known: {', '.join(known)}."
        )
    match = _TWICE.search(problem)
    if match:
        return f'"{match.group(1)}" is given twice here; it can be given once.'
    opened = _open_braces(text)
    if problem.startswith(('Expected "}"', 'Expected ">"')) and opened:
        return f"{problem[:-1]}: the brace opened on line {opened[-1]} is never closed."
    if problem.startswith("Expected identifier") and here[column - 1 : column] in ("}", ">"):
        return "A closing brace without an opening one."
    return problem


def _explain_field(
    message_name: str, field_name: str, text: str, root: Any, line: int, column: int
) -> str:
    """What an unknown field name was probably meant to be."""
    short = message_name.partition(".")[2]
    problem = f'{short} has no field "{field_name}".'
    descriptor = root.file.pool.FindMessageTypeByName(message_name)
    other = field_elsewhere(field_name) if short.endswith("LayerParameter") else None
    if other is not None:
        return f"{problem} {other}."
    if (short, field_name) == ("NetParameter", "item"):
        return f"{problem} A file of items is a label map of SSD's Caffe, not a net."
    if field_name in root.fields_by_name and descriptor is not root:
        lines = text.split("\n")
        opened = _open_braces("\n".join(lines[: line - 1] + [lines[line - 1][: column - 1]]))
        if opened:
            return f"{problem} Is the brace opened on line {opened[-1]} closed too late?"
    homes = [
        field.name
        for field in descriptor.fields
        if field.message_type is not None and field_name in field.message_type.fields_by_name
    ]
    if homes and not difflib.get_close_matches(field_name, descriptor.fields_by_name, 1, 0.8):
        shown = ", ".join(homes[:4]) + (", ..." if len(homes) > 4 else "")
        return f"{problem} It belongs inside {shown}."
    return problem + nearest(field_name, descriptor.fields_by_name)


def _open_braces(text: str) -> list[int]:
    """Lines (from 1) of the braces of `text` that are not closed, outermost first."""
    opened: list[int] = []
    line, at = 1, 0
    for match in _BRACES.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.group() in "{<":
            opened.append(line)
        elif match.group() in "}>" and opened:
            opened.pop()
    return opened


def _format_fields(message: Message, indent: str, lines: list[str]) -> None:
    for field, value in message.ListFields():
        for item in value if _is_repeated(field) else [value]:
            if field.message_type is None:
                lines.append(f"{indent}{field.name}: {_format_value(field, item)}")
            else:
                lines.append(f"{indent}{field.name} {{")
                _format_fields(item, indent + "  ", lines)
                lines.append(indent + "}")


def _is_repeated(field: Any) -> bool:
    # protobuf 6 renames one and deprecates the other
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == field.LABEL_REPEATED)


def _format_value(field: Any, value: Any) -> str:
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return str(value) if known is None else known.name
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return '"' + text_encoding.CEscape(value, field.type == FieldDescriptor.TYPE_STRING) + '"'
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest(value, np.float32, 6, 9)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _shortest(value, float, 15, 17)
    return str(value)


def _shortest(
    value: float, number_type: type[float] | type[np.float32], fewest: int, most: int
) -> str:
    """`value` with the fewest digits that restore it (at most 9 for a float, 17 for a double)."""
    for digits in range(fewest, most):
        text = f"{value:.{digits}g}"
        if number_type(text) == number_type(value):
            return text
    return f"{value:.{most}g}"
