"""Keeps outputs away from inputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat.errors import InputError

from .temporary import is_temporary

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Union

    Path = Union[str, os.PathLike[str]]


def refuse_overlap(output: Path, inputs: Iterable[Path | None]) -> None:
    """Raise `InputError` where the output is, or lies in, one of the inputs, or the reverse.

    Also where an input lies in a temporary folder of a killed process, which will be removed.
    """
    for given in inputs:
        if given is None or not os.path.lexists(given):
            continue
        if is_temporary(given):
            raise InputError(
                f"{os.fspath(given)}: is a left-over of a killed process, which will be removed: "
                "copy it elsewhere to use it"
            )
        if is_within(given, output):
            where = "is" if is_within(output, given) else "lies in"
            raise InputError(
                f"{os.fspath(given)}: {where} the output {os.fspath(output)}: choose another output"
            )
        if is_within(output, given):
            raise InputError(
                f"{os.fspath(output)}: lies in the input {os.fspath(given)}: choose another output"
            )


def is_within(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies below it, links followed."""
    inner, outer = os.path.realpath(path), os.path.realpath(folder)
    return inner == outer or inner.startswith(os.path.join(outer, ""))
