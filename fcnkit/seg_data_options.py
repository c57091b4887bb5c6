"""`param_str` of Berkeley's data layers: a Python dict as text, its values checked one by one."""

import ast
import math
import os
import reprlib

from caffeformat import InputError


def parse_options(text, required, defaults, layer):
    """The options in `text` as a dict with every key of `required` and `defaults`.

    The text is read as a literal: nothing in it is run. layer: what errors call the layer. Raises
    `InputError` for a text that is no dict, for keys that are missing or unknown, and for values
    of the wrong kind.
    """
    try:
        given = ast.literal_eval(text.strip() or "{}")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise InputError(
            f"{layer}: param_str is not a Python dict: {reprlib.repr(text)} ({error})"
        ) from error
    if not isinstance(given, dict):
        raise InputError(f"{layer}: param_str has to be a dict, found {reprlib.repr(text)}")
    missing = [name for name in required if name not in given]
    unknown = sorted(str(name) for name in given if name not in defaults and name not in required)
    if missing or unknown:
        said = [f"lacks {', '.join(missing)}"] if missing else []
        said += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise InputError(
            f"{layer}: param_str {' and '.join(said)}; it needs {', '.join(required)} and "
            f"knows {', '.join(defaults)}"
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
                f"({os.path.abspath(value)}); paths count from the folder that the command runs in"
            )
    return {**defaults, **given}


def _is_name(value):
    """Whether it names a list of images, which lies in the folder that the dataset has it in."""
    return isinstance(value, str) and value not in ("", "..") and not set(value) & set("/\\\0")


def _is_mean(value):
    return (
        isinstance(value, (tuple, list))
        and len(value) == 3
        and all(type(number) in (int, float) and math.isfinite(number) for number in value)
    )


def _are_names(value):
    return (
        isinstance(value, (tuple, list))
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
    )


# option -> (whether a value is right, what is expected)
_KINDS = {
    "folder": (lambda value: isinstance(value, str) and "\0" not in value, "a folder in quotes"),
    "split": (_is_name, "the name of a list of images, without .txt, in quotes"),
    "randomize": (lambda value: value in (True, False), "True or False"),
    "seed": (lambda value: value is None or type(value) is int, "a whole number or None"),
    "mean": (_is_mean, "three numbers, for blue, green and red"),
    "tops": (_are_names, "a list of the tops' names, in quotes"),
}
