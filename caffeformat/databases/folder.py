"""Base of the database writers: a folder that gets its name once the database is complete."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from caffeformat.errors import InputError
from caffeformat.files import TemporaryFolder, entries_of, locked

if TYPE_CHECKING:
    from typing_extensions import Self


class DatabaseWriter:
    """Base of `LmdbWriter` and `LevelDbWriter`, which have `put`, `_finish` and `_release`.

    The database is written to a temporary folder beside `path`, `_partial`, and renamed to `path`
    when the writer is closed. If a `with` block raises, that folder is removed. `path` must not
    exist or be an empty folder; with `overwrite`, whatever is there is replaced at the end. Raises
    `InputError` while another process writes there.
    """

    def __init__(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        self.path = os.path.normpath(os.fspath(path))
        self._count, self._overwrite = 0, overwrite
        if not overwrite and os.path.exists(self.path) and not _is_empty_folder(self.path):
            raise InputError(f"{self.path}: already exists; remove it or choose another name")
        with contextlib.ExitStack() as stack:
            try:
                os.makedirs(os.path.dirname(os.path.realpath(self.path)), exist_ok=True)
                stack.enter_context(locked(self.path))
                self._folder = TemporaryFolder(self.path)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be created: {error.strerror}") from error
            self._lock = stack.pop_all()
        self._partial = self._folder.path

    def put(self, key: bytes, value: bytes) -> None:
        """Add a pair of bytes."""
        raise NotImplementedError

    def _finish(self) -> None:
        """Write what is pending, and close the files in `self._partial`."""
        raise NotImplementedError

    def _release(self) -> None:
        """Close the files without writing more; may be called twice."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Write what is pending and give the database its name."""
        try:
            self._finish()
            self._rename()
        except BaseException:
            self.discard()
            raise
        self._lock.close()

    def discard(self) -> None:
        """Give up: remove what was written so far; `path` stays as it was."""
        try:
            self._release()
        finally:
            self._folder.remove()
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _rename(self) -> None:
        try:
            self._folder.publish("all" if self._overwrite else "nothing")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be put in place: {error.strerror}") from error


def _is_empty_folder(path: str) -> bool:
    return os.path.isdir(path) and not entries_of(path)
