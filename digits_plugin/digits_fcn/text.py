"""Text in Python 2.7 and 3: bytes in, Unicode out, and shortening for messages."""

from __future__ import absolute_import, division, unicode_literals

import io

text_type = type("")


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
    """Decode a file's bytes: UTF-8 with or without its mark, Latin-1 where that fails."""
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise AssertionError("Latin-1 decodes every byte")


def read_text(path):
    """Return the text of the file at `path` (see `decode`)."""
    with io.open(path, "rb") as f:
        return decode(f.read())
