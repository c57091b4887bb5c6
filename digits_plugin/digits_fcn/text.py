"""Text in Python 2.7 and 3: bytes in, Unicode out, and shortening for messages."""

from __future__ import absolute_import, division, unicode_literals

import codecs
import io
import os

from .errors import FcnError

text_type = type("")

_TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
# More than any list of names, colours or images has.
MAX_TEXT = 16 * 1024 * 1024


def to_text(value):
    """Return `value` as Unicode text; bytes are decoded as UTF-8, invalid ones replaced."""
    if isinstance(value, text_type):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    try:
        return text_type(value)
    except UnicodeError:  # Python 2.7: an object whose str() is not ASCII
        return bytes(value).decode("utf-8", "replace")


def shorten(value, length=80):
    """Return `value` as one line of at most `length` characters, for use inside a message."""
    line = " ".join(to_text(value).split())
    return line if len(line) <= length else line[: length - 3] + "..."


def lines(text):
    """Return the lines of `text`, stripped of blanks.

    Only line feeds and carriage returns end a line: `splitlines` would also cut a name at
    characters such as U+2028.
    """
    text = to_text(text).replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip(" \t") for line in text.split("\n")]


def decode(raw):
    """Decode a file's bytes: UTF-8 or UTF-16 by their marks, else UTF-8, else Windows-1252."""
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def native(path):
    """Return `path` as the system takes it whatever the locale: bytes in Python 2.7."""
    return to_text(path).encode("utf-8") if str is bytes else to_text(path)


def read_bytes(path, limit=MAX_TEXT):
    """Return the bytes of the regular file at `path`.

    Raises FcnError for anything else (a device, a pipe, a folder, no file), for a file of more
    than `limit` bytes, and for one that may not be read.
    """
    path = native(path)
    # A NUL ends a path for the system, and Python refuses it in a different way each version.
    if "\0" in to_text(path) or not os.path.isfile(path):
        there = "\0" not in to_text(path) and os.path.exists(path)
        raise FcnError(
            "The file %s cannot be read (%s). Enter the path of a file on the server."
            % (shorten(path), "it is not a regular file" if there else "there is no such file")
        )
    try:
        with io.open(path, "rb") as f:
            raw = f.read(limit + 1)
    except (IOError, OSError) as error:
        raise FcnError(
            "The file %s cannot be read (%s). Enter the path of a file on the server."
            % (shorten(path), error.strerror)
        )
    if len(raw) > limit:
        raise FcnError(
            "The file %s has more than %d bytes; expected a small text or palette file."
            % (shorten(path), limit)
        )
    return raw


def read_text(path):
    """Return the text of the file at `path` (see `decode`); raises as `read_bytes`."""
    return decode(read_bytes(path))


def template(name):
    """Return the text of one of the files in `templates/`."""
    return read_text(os.path.join(_TEMPLATES, name))


def form_template(name):
    """Return the Jinja template of a form, which shows its fields by the macro of `field.html`."""
    return template("field.html") + template(name)
