"""Parses `param_str` of Berkeley's data layers: a Python dict as text, every value checked."""

from __future__ import annotations

import ast
import math
import os
import reprlib
from typing import TYPE_CHECKING, Any

from caffeformat import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caffeformat import pb

# Berkeley's data layers, under the names that Berkeley's networks use for their modules.
BERKELEY_MODULES = ("voc_layers", "pascalcontext_layers", "nyud_layers", "siftflow_layers")


def is_berkeley(layer: pb.LayerParameter) -> bool:
    """Whether a layer is one of Berkeley's data layers."""
    return layer.type == "Python" and layer.python_param.module in BERKELEY_MODULES


def seed_berkeley(layer: pb.LayerParameter, seed: int) -> None:
    """Let one of Berkeley's data layers draw by `seed` where it names no seed of its own."""
    given = _literal(layer)
    if given is not None and given.get("seed") is None:
        layer.python_param.param_str = repr({**given, "seed": seed})


def start_berkeley(layer: pb.LayerParameter, passes: int) -> None:
    """Let one of Berkeley's data layers begin where that many passes have left it."""
    given = _literal(layer)
    if given is not None:
        layer.python_param.param_str = repr({**given, "start": passes})


def _literal(layer: pb.LayerParameter) -> dict[Any, Any] | None:
    """The dict in `param_str`; None for anything else, which the layer itself refuses."""
    try:
        given = ast.literal_eval(layer.python_param.param_str.strip() or "{}")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def parse_options(
    text: str, required: Sequence[str], defaults: Mapping[str, object], layer: str
) -> dict[str, Any]:
    """Parse `text` to a dict with every key of `required` and `defaults`.

    The text is read as a literal; nothing in it is executed. `layer` is what errors call the layer.
    Raises `InputError` for a text that is not a dict, for keys that are missing or unknown, and for
    values of the wrong kind.
    """
    try:
        given = ast.literal_eval(text.strip() or "{}")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            f"{layer}: param_str is not a Python dict: {reprlib.repr(text)} ({error})"
        ) from error
    if not isinstance(given, dict):
        raise InputError(f"{layer}: param_str is not a dict: {reprlib.repr(text)}")
    missing = [name for name in required if name not in given]
    unknown = sorted(str(name) for name in given if name not in defaults and name not in required)
    if missing or unknown:
        problems = [f"lacks {', '.join(missing)}"] if missing else []
        problems += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise InputError(
            f"{layer}: param_str {' and '.join(problems)}; required: {', '.join(required)}; "
            f"optional: {', '.join(defaults)}"
        )
    for name, value in given.items():
        is_right, expected = _KINDS["folder" if name.endswith("_dir") else name]
        if not is_right(value):
            raise InputError(
                f"{layer}: {name} in param_str is {reprlib.repr(value)}: expected {expected}"
            )
        if name.endswith("_dir") and not os.path.isdir(value):
            raise InputError(
                f"{layer}: {name} in param_str is {value!r}: there is no such folder "
                f"({os.path.abspath(value)}); relative paths start at the current folder"
            )
    return {**defaults, **given}


def _is_name(value: object) -> bool:
    """Whether it is a plain file name, so that the list is in the dataset's own folder."""
    return isinstance(value, str) and value not in ("", "..") and not set(value) & set("/\\\0")


def _is_mean(value: object) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 3
        and all(type(number) in (int, float) and math.isfinite(number) for number in value)
    )


def _are_names(value: object) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
    )


# option -> (whether a value is right, what is expected)
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "folder": (lambda value: isinstance(value, str) and "\0" not in value, "a folder in quotes"),
    "split": (_is_name, "the name of a list of images, without .txt, in quotes"),
    "randomize": (lambda value: value in (True, False), "True or False"),
    "seed": (lambda value: value is None or type(value) is int, "a whole number or None"),
    "start": (lambda value: type(value) is int and value >= 0, "a whole number from 0 on"),
    "mean": (_is_mean, "three numbers, for blue, green and red"),
    "tops": (_are_names, "a list of the tops' names, in quotes"),
}
