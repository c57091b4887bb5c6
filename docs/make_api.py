#!/usr/bin/env python3
"""Write docs/api.md: every name that a room shows, with its signature and what it is.

    docs/make_api.py [--check]

Rooms and names are those of the faces (`__all__`); the texts are the first paragraphs of the
docstrings. A name that several faces show is described where it is defined. `--check` exits with
status 1 if docs/api.md is not what this program would write.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin

from generated import write_or_check

os.environ["FCNKIT_ENGINE"] = "torch"  # a layer's base class depends on the engine

PAGE = Path(__file__).with_name("api.md")
REPO = PAGE.parent.parent
_PACKAGES = ("fcnkit", "caffeformat", "torchcaffe")

_INTRODUCTION = """\
# API

What each room shows. Import from the rooms themselves (`from fcnkit.images import paint`), not from
the modules inside them, which may move. What a function takes, returns and raises in detail is in
its docstring: `help(fcnkit.train)`. `docs/make_api.py` writes this page from signatures and
docstrings, and `make lint` fails when it is out of date.
"""


def page() -> str:
    """Return the page's text."""
    rooms = list(_rooms())
    index = [f"| [`{name}`](#{_anchor(name)}) | {_first(_face(name))} |" for name in rooms]
    parts = [_INTRODUCTION, "\n".join(["| room | what it is for |", "| --- | --- |", *index, ""])]
    parts.extend(_room(name, rooms) for name in rooms)
    return "\n".join(parts)


def _rooms() -> Iterator[str]:
    """Yield every package that has a face, the package itself before its rooms."""
    for package in _PACKAGES:
        yield package
        for path in sorted((REPO / package).glob("*/__init__.py")):
            if path.parent.name not in ("commands", "proto"):
                yield f"{package}.{path.parent.name}"


def _face(name: str) -> ModuleType:
    return importlib.import_module(name)


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _room(name: str, rooms: Sequence[str]) -> str:
    """Return the section of one room."""
    face = _face(name)
    lines = [f"## {name}", "", _paragraph(face), ""]
    elsewhere: dict[str, list[str]] = {}
    for shown in sorted(face.__all__, key=lambda text: (text.lower(), text)):
        value = _value(face, shown)
        home = _home(value, rooms)
        if home != name and home is not None:
            elsewhere.setdefault(home, []).append(f"`{shown}`")
        else:
            lines += _entry(shown, value)
    for home, names in sorted(elsewhere.items()):
        lines.append(f"- from [{home}](#{_anchor(home)}): {', '.join(names)}")
    return "\n".join(lines).rstrip() + "\n"


def _value(face: ModuleType, name: str) -> Any:
    """Return what a face shows; names for type checkers are looked up where they are defined."""
    try:
        return getattr(face, name)
    except AttributeError:
        pass
    assert face.__file__ is not None
    for node in ast.walk(ast.parse(Path(face.__file__).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if name in [alias.asname or alias.name for alias in node.names]:
            dots = "." * node.level
            module = importlib.import_module(dots + node.module, face.__name__)
            return getattr(module, name, _TypeName(module, name))
    return _TypeName(face, name)


class _TypeName:
    """A name that exists for type checkers only."""

    def __init__(self, module: ModuleType, name: str) -> None:
        self.__module__ = module.__name__
        self.text = "a type"
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
                self.text = f"the type `{ast.unparse(node.value)}`"


def _home(value: Any, rooms: Sequence[str]) -> str | None:
    """Return the room that defines a value; None for constants, which do not say it."""
    if isinstance(value, ModuleType) or not hasattr(value, "__module__"):
        return None
    module = value.__module__ or ""
    found = [room for room in rooms if module == room or module.startswith(room + ".")]
    return max(found, key=len, default=None)


def _entry(name: str, value: Any) -> Iterator[str]:
    """Yield the lines that describe one name."""
    if isinstance(value, ModuleType):
        yield f"**`{name}`** — module `{value.__name__}`: {_first(value)}\n"
    elif isinstance(value, _TypeName):
        yield f"**`{name}`** — {value.text}.\n"
    elif get_origin(value) is not None:
        yield f"**`{name}`** — the type `{str(value).replace('collections.abc.', '')}`.\n"
    elif inspect.isclass(value):
        yield f"**`class {name}{_signature(value)}`**\\\n{_paragraph(value)}\n"
        yield from _methods(value)
    elif callable(value):
        yield f"**`{name}{_signature(value)}`**\\\n{_paragraph(value)}\n"
    else:
        yield f"**`{name}`** — {_constant(value)}\n"


def _methods(cls: type) -> Iterator[str]:
    """Yield a list of the public methods and properties that a class defines itself."""
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return
    lines = []
    for name, value in vars(cls).items():
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            lines.append(f"- `{name}`: {_first(value)}")
        elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
            function = getattr(cls, name)
            lines.append(f"- `{name}{_signature(function)}`: {_first(function)}")
    if lines:
        yield "\n".join(lines) + "\n"


def _signature(value: Any) -> str:
    """Return parameters and result as the source spells them."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return "(...)"
    words, kinds = [], inspect.Parameter
    keyword_only = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind == kinds.VAR_POSITIONAL:
            keyword_only = True
        elif parameter.kind == kinds.KEYWORD_ONLY and not keyword_only:
            words.append("*")
            keyword_only = True
        stars = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        text = stars + parameter.name
        if parameter.annotation is not kinds.empty:
            text += f": {_type(parameter.annotation)}"
        if parameter.default is not kinds.empty:
            equals = " = " if parameter.annotation is not kinds.empty else "="
            text += equals + _default(parameter.default)
        words.append(text)
    result = ""
    if not inspect.isclass(value) and signature.return_annotation is not signature.empty:
        result = f" -> {_type(signature.return_annotation)}"
    return f"({', '.join(words)}){result}"


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _default(value: Any) -> str:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return repr(value)
    if isinstance(value, (tuple, list, dict, frozenset)) and len(repr(value)) < 60:
        return repr(value)
    return "..."


def _constant(value: Any) -> str:
    if isinstance(value, str) and value.startswith(f"{REPO}{os.sep}"):
        return "a path in the installation"  # another on every machine
    if isinstance(value, (bool, int, float, str, bytes)):
        return f"`{value!r}`"
    if isinstance(value, (tuple, list, dict)) and len(repr(value)) <= 100:
        return f"`{value!r}`"
    return f"a `{type(value).__name__}`"


def _paragraph(value: Any) -> str:
    """Return the first paragraph of a docstring; empty where there is none of its own."""
    text = inspect.getdoc(value) or ""
    if inspect.isclass(value) and "__doc__" in vars(value) and vars(value)["__doc__"] is None:
        text = ""
    if inspect.isclass(value) and re.match(rf"{value.__name__}\(", text):
        text = ""  # written by dataclasses or NamedTuple
    return " ".join(text.split("\n\n")[0].split())


def _first(value: Any) -> str:
    """Return the first sentence of a docstring."""
    return re.split(r"(?<=[^.])\.(?:\s|$)", _paragraph(value), maxsplit=1)[0].rstrip(".") + "."


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page(), "docs/make_api.py"))
