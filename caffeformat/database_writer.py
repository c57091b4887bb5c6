"""What writers of databases share: a folder that gets its name when the database is whole."""

import os
import shutil

from .errors import InputError


class DatabaseWriter:
    """Base of `LmdbWriter` and `LevelDbWriter`, which have `put`, `_finish` and `_release`.

    The database appears under `path` when the writer is closed, and not before; until then it is
    `<path>.partial`. Leaving a `with` block by an exception removes that. `path` must be free or an
    empty folder, unless `overwrite`; then it is replaced at the end.
    """

    def __init__(self, path, overwrite=False):
        self.path = os.path.normpath(os.fspath(path))
        self._partial = self.path + ".partial"
        self._count = 0
        if not overwrite and os.path.exists(self.path) and not _is_empty_folder(self.path):
            raise InputError(f"{self.path}: is there already; remove it or choose another name")
        try:
            shutil.rmtree(self._partial, ignore_errors=True)
            os.makedirs(self._partial)
        except OSError as error:
            raise InputError(f"{self._partial}: cannot be made: {error.strerror}") from error

    def put(self, key, value):
        """Add a pair of bytes."""
        raise NotImplementedError

    def _finish(self):
        """Write what is pending, and close the files in `self._partial`."""
        raise NotImplementedError

    def _release(self):
        """Close the files without writing more; may be called twice."""
        raise NotImplementedError

    def __len__(self):
        return self._count

    def close(self):
        """Write what is pending and give the database its name."""
        try:
            self._finish()
            self._rename()
        except BaseException:
            self.discard()
            raise

    def discard(self):
        """Give up: remove what was written so far; `path` stays as it was."""
        self._release()
        shutil.rmtree(self._partial, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.discard()

    def _rename(self):
        replaced = None
        try:
            if _is_empty_folder(self.path):
                os.rmdir(self.path)
            elif os.path.exists(self.path):
                replaced = self.path + ".replaced"
                os.rename(self.path, replaced)
            os.rename(self._partial, self.path)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be put in place: {error}") from error
        if replaced is not None:
            shutil.rmtree(replaced, ignore_errors=True)


def _is_empty_folder(path):
    return os.path.isdir(path) and not os.listdir(path)
