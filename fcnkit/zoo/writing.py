"""Writes the text of a network's files, and finds the files on disk that differ from it."""

from __future__ import annotations

import os

from caffeformat import atomic_write, format_text

from .registry import folder, spec

_HEADER = "# Written by: python -m fcnkit.zoo {network}\n"


def render(network: str) -> dict[str, str]:
    """{path: text} for every prototxt of `network`, as its declaration has it."""
    header = _HEADER.format(network=network)
    return {
        os.path.join(folder(network), name): header + format_text(message)
        for name, message in spec(network).files().items()
    }


def stale(network: str) -> list[str]:
    """Paths of the files that are missing or differ from the declaration."""
    return [path for path, text in render(network).items() if _read(path) != text]


def write(network: str) -> list[str]:
    """Write the files that are stale; returns their paths."""
    texts = render(network)
    changed = stale(network)
    for path in changed:
        with atomic_write(path, "w") as file:
            file.write(texts[path])
    return changed


def _read(path: str) -> str | None:
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()
