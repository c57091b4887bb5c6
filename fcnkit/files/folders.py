"""Output folders that appear under their final name only when they are complete."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat import InputError
from caffeformat.files import TemporaryFolder, disk_problem, entries_of, locked, refuse_overlap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Union

    Path = Union[str, os.PathLike[str]]


@contextlib.contextmanager
def output_folder(
    path: Path, force: bool = False, inputs: Iterable[Path | None] = ()
) -> Iterator[str]:
    """Yield an empty folder beside `path` that becomes `path` if the block succeeds.

    If the block raises, what it wrote is removed; what a killed process wrote is removed by the
    next one that writes there. A folder that is not empty is left unchanged and raises
    `InputError`; with `force`, entries of the same names are replaced, and only those. `inputs` are
    the files and folders that are read: none of them may be in the output, nor the output in one.
    Raises `InputError`, too, while another process writes there.
    """
    shown = os.fspath(path)
    if "\0" in shown:
        raise InputError(f"{shown!r}: cannot write here: a name cannot hold NUL")
    path = os.path.abspath(shown)
    refuse_overlap(path, inputs)
    _check_output(path, force)
    with contextlib.ExitStack() as stack:
        try:
            os.makedirs(os.path.dirname(os.path.realpath(path)), exist_ok=True)
            stack.enter_context(locked(path))
            _check_output(path, force)  # the process that held the lock may have finished it
            folder = TemporaryFolder(path)
        except OSError as error:
            raise InputError(f"{path}: cannot write here: {error.strerror}") from error
        try:
            yield folder.path
            _put_in_place(folder, path, force)
        except BaseException as error:
            problem = disk_problem(error)
            if problem is None:
                raise
            raise InputError(
                f"{path}: writing failed: {problem}: free some space and run again (what was "
                "written has been removed)"
            ) from error
        finally:
            folder.remove()


def _put_in_place(folder: TemporaryFolder, path: str, force: bool) -> None:
    try:
        folder.publish("entries" if force else "nothing")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be put in place: {error.strerror}: it was empty when this began"
        ) from error


def _check_output(path: str, force: bool) -> None:
    if os.path.lexists(path) and os.path.exists(path) and not os.path.isdir(path):
        raise InputError(f"{path}: expected a folder or nothing, found a file: choose another name")
    held = entries_of(path) if os.path.isdir(path) else []
    if held and not force:
        some = ", ".join(held[:3])
        raise InputError(
            f"{path}: already holds {some}: choose another folder, or pass {{option}} to "
            "replace entries of the same names",
            option="force",
            value=True,
        )
