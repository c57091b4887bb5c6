"""Prints what commands say, with nothing in it that would control the terminal."""

from __future__ import annotations

from typing import TextIO

from caffeformat import printable


def say(
    text: object = "", file: TextIO | None = None, end: str = "\n", flush: bool = False
) -> None:
    """Print `text` on `file` (default: the standard output).

    Names of layers, files and classes come from elsewhere: control characters and marks of writing
    direction in them are shown escaped.
    """
    print(printable(text), file=file, end=end, flush=flush)
