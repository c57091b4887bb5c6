"""A network by its file, its folder or its name."""

from __future__ import annotations

import os

from caffeformat import InputError

from .registry import networks, path, spec

# A prototxt with one of these names is known by its folder.
_NAMELESS = ("deploy", "train_val", "solver")


def network_file(text: str | os.PathLike[str], file: str = "deploy.prototxt") -> tuple[str, str]:
    """Find a network: return (path of its prototxt, name).

    `text` is a prototxt, a folder with one, or the name of a network of the zoo; `file` is the
    prototxt that is meant in the latter two. Raises `InputError` if there is no such network, or
    none of its files is `file`. A path that ends in `.prototxt` is returned whether it exists or
    not.
    """
    found = text = os.fspath(text)
    if not os.path.isfile(text):
        if text in networks():
            return path(text, file), text
        if os.path.isdir(text):
            found = _in_folder(text, file)
        elif os.path.basename(text) == text and not text.endswith(".prototxt"):
            spec(text)  # raises, and names the networks that there are
    directory, own = os.path.split(os.path.abspath(found))
    stem = os.path.splitext(own)[0]
    return found, os.path.basename(directory) if stem in _NAMELESS else stem


def _in_folder(folder: str, file: str) -> str:
    found = os.path.join(folder, file)
    if not os.path.isfile(found):
        others = sorted(name for name in os.listdir(folder) if name.endswith(".prototxt"))
        raise InputError(
            f"{folder}: expected a {file} in this folder, found {', '.join(others) or 'none'}"
        )
    return found
