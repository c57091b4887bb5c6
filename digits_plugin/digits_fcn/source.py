"""Sources of a dataset's files: a folder, a tar archive or a zip archive, with one interface.

Archives are not unpacked: their members are read in place, from several threads at once, so that
nothing is left behind and no member's path can lead out of a folder. A compressed tar does not
allow random access; it is decompressed into one unnamed temporary file that disappears with the
process.
"""

from __future__ import absolute_import, division, unicode_literals

import os
import tarfile
import tempfile
import threading
import zipfile

from .errors import FcnError
from .text import native, shorten, to_text

MAX_FILE = 256 * 1024 * 1024
MAX_UNPACKED = 32 * 1024 * 1024 * 1024
SEARCH_DEPTH = 4


def safe_name(name):
    """Return `name` as a relative path with forward slashes; FcnError if it could lead outside."""
    name = to_text(name).replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or name.startswith("/") or "\0" in name or (parts and ":" in parts[0]):
        raise FcnError(
            "The path '%s' leads out of the dataset; expected a name inside it." % shorten(name)
        )
    return "/".join(parts)


def _marker(name):
    """Return the name of a folder that marks a dataset; FcnError if it could lead outside."""
    name = safe_name(name)
    if not name:
        raise FcnError("Expected the name of a folder inside the dataset, found none.")
    return name


class Folder(object):
    """Files below a directory."""

    def __init__(self, path):
        self.path = native(path)

    def exists(self, name):
        """Return whether there is a file `name` (a relative path)."""
        return os.path.isfile(self._full(name))

    def _full(self, name):
        return os.path.join(self.path, native(safe_name(name)))

    def read(self, name):
        """Return the bytes of file `name`."""
        full = self._full(name)
        if not os.path.isfile(full):
            there = "it is not a regular file" if os.path.exists(full) else "there is no such file"
            raise FcnError("%s cannot be read (%s)." % (shorten(name, 200), there))
        try:
            if os.path.getsize(full) > MAX_FILE:
                raise FcnError("%s is larger than %d bytes." % (shorten(name), MAX_FILE))
            with open(full, "rb") as f:
                return f.read()
        except (IOError, OSError) as error:
            raise FcnError("%s cannot be read (%s)." % (shorten(name, 200), error.strerror))

    def roots(self, marker):
        """Return the folders ("" for the top) that hold a folder `marker`, a few levels deep.

        Raises FcnError for a marker that leads elsewhere.
        """
        marker = _marker(marker)
        found = []
        for folder, children, _files in os.walk(self.path, followlinks=True):
            below = to_text(os.path.relpath(folder, self.path)).replace(os.sep, "/")
            below = "" if below == "." else below
            if os.path.isdir(os.path.join(folder, native(marker))):
                found.append(below)
                children[:] = []
            elif below.count("/") + 1 >= SEARCH_DEPTH:
                children[:] = []
        return sorted(found)

    def listing(self, folder):
        """Sorted names of the files directly in `folder`."""
        full = self._full(folder)
        if not os.path.isdir(full):
            return []
        names = [n for n in os.listdir(full) if os.path.isfile(os.path.join(full, n))]
        return sorted(to_text(name) for name in names)


class Archive(object):
    """Base of tar and zip archives: a table of member name -> how to find it."""

    def __init__(self):
        self.members = {}
        self.lock = threading.Lock()

    def exists(self, name):
        """Return whether there is a member file `name`."""
        return safe_name(name) in self.members

    def read(self, name):
        """Return the bytes of member `name`."""
        try:
            return self._fetch(self.members[safe_name(name)])
        except Exception as error:  # what damaged and encrypted archives raise is no fixed set
            raise FcnError(
                "%s cannot be read from the archive (%s). Check whether it is complete."
                % (shorten(name, 200), shorten(error))
            )

    def roots(self, marker):
        """Return folders ("" for the top) that hold a folder `marker`; raises as Folder's."""
        marker = _marker(marker)
        inside = "/" + marker + "/"
        found = set()
        for name in self.members:
            where = ("/" + name).find(inside)
            if where >= 0:
                found.add(("/" + name)[:where].lstrip("/"))
        return sorted(found)

    def listing(self, folder):
        """Sorted names of the files directly in `folder`."""
        start = safe_name(folder) + "/"
        names = [n[len(start) :] for n in self.members if n.startswith(start)]
        return sorted(n for n in names if "/" not in n)

    def _add(self, name, size, place):
        try:
            name = safe_name(name)
        except FcnError:
            return  # a member that leads elsewhere is not a file of the dataset
        if name in self.members and not self._same(self.members[name], place):
            raise FcnError(
                "The archive holds %s more than once, with different contents. Unpack it, which "
                "keeps the last, and enter the folder." % shorten(name, 200)
            )
        if size <= MAX_FILE:
            self.members[name] = place


class Tar(Archive):
    """A tar archive, compressed or not."""

    def __init__(self, path):
        super(Tar, self).__init__()
        self.file = open(native(path), "rb")
        if not self._is_plain():
            self.file.close()
            self.file = self._unpacked(path)
        self.file.seek(0)
        with tarfile.open(fileobj=self.file, mode="r:") as tar:
            for member in tar:
                if member.isreg():
                    self._add(member.name, member.size, (member.offset_data, member.size))

    def _is_plain(self):
        try:
            with tarfile.open(fileobj=self.file, mode="r:") as tar:
                tar.next()
            return True
        except tarfile.TarError:
            return False

    @staticmethod
    def _unpacked(path):
        with tarfile.open(native(path), "r:*") as tar:
            whole, out = tar.fileobj, tempfile.TemporaryFile()
            whole.seek(0)
            size = 0
            for block in iter(lambda: whole.read(1024 * 1024), b""):
                size += len(block)
                if size > MAX_UNPACKED:
                    raise FcnError("%s unpacks to more than %d bytes." % (path, MAX_UNPACKED))
                out.write(block)
        return out

    def _same(self, one, other):
        return one[1] == other[1] and self._fetch(one) == self._fetch(other)

    def _fetch(self, place):
        offset, size = place
        with self.lock:
            self.file.seek(offset)
            raw = self.file.read(size)
        if len(raw) < size:
            raise EOFError("it ends within this file")
        return raw


class Zip(Archive):
    """A zip archive."""

    def __init__(self, path):
        super(Zip, self).__init__()
        self.file = zipfile.ZipFile(native(path))
        for info in self.file.infolist():
            if not info.filename.endswith("/"):
                self._add(info.filename, info.file_size, info)

    @staticmethod
    def _same(one, other):
        return (one.CRC, one.file_size) == (other.CRC, other.file_size)

    def _fetch(self, place):
        with self.lock:
            return self.file.read(place)


def open_source(path):
    """Return the Folder, Tar or Zip at `path`; raises FcnError for anything else."""
    path = to_text(path).strip()
    # A NUL ends a path for the system, and Python refuses it in a different way each version.
    known = "\0" not in path
    if known and os.path.isdir(native(path)):
        return Folder(path)
    if not (known and os.path.isfile(native(path))):
        raise FcnError(
            "There is no file or folder '%s' on the server. Enter the path of a folder or archive "
            "as the server sees it." % shorten(path, 200)
        )
    try:
        if zipfile.is_zipfile(native(path)):
            return Zip(path)
        return Tar(path)
    except (tarfile.TarError, zipfile.BadZipfile, EOFError, IOError, OSError) as error:
        raise FcnError(
            "'%s' is not an archive that can be read here (%s); expected a folder, .tar, .tar.gz, "
            ".tar.bz2 or .zip. Unpack it and enter the folder." % (shorten(path), shorten(error))
        )
