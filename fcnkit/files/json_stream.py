"""Reads the elements of a JSON file's top-level lists one by one, in little memory."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError, reason

from .json_files import JSON_DECODER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Characters; far more than any element of a list has. Parsed it takes some 20 times as much.
_MOST_ELEMENT = 16 << 20

_SPACE = re.compile(r"[ \t\n\r]*")


def list_elements(chunks: Iterable[bytes], source: str) -> Iterator[tuple[str, Any, str]]:
    """Iterate over (the list's key, value, source text) of each element of the lists in an object.

    `chunks` are the file's bytes, `source` is what errors call it. Values that are not lists are
    skipped. Raises `FormatError` if the file is not JSON, not an object, or has an element of more
    than 16 million characters.
    """
    text = _Text(chunks, source)
    text.expect("{")
    if not text.next_is("}"):
        yield from _members(text)
        text.expect("}")
    # This also makes the archive that the file is in verify its checksum.
    text.expect_end()


def _members(text: _Text) -> Iterator[tuple[str, Any, str]]:
    while True:
        key, _ = text.value()
        if not isinstance(key, str):
            raise text.error(f"expected a name in quotes, found {key!r}")
        text.expect(":")
        if not text.next_is("["):
            text.value()
        elif not text.next_is("]"):
            while True:
                yield (key, *text.value())
                if not text.next_is(","):
                    break
            text.expect("]")
        if not text.next_is(","):
            break


class _Text:
    """JSON text that is read as needed."""

    def __init__(self, chunks: Iterable[bytes], source: str) -> None:
        self._decoded = codecs.iterdecode(chunks, "utf-8-sig")
        self._source = source
        self._text, self._at = "", 0

    def error(self, problem: object) -> FormatError:
        return FormatError(self._source, f"is not JSON in COCO's format: {problem}")

    def value(self) -> tuple[Any, str]:
        """The value that begins here, and its text."""
        self._skip_space()
        while True:
            try:
                value, end = JSON_DECODER.raw_decode(self._text, self._at)
                # A number at the end of the text so far could continue.
                if end < len(self._text) or not self._read_on():
                    break
            except (ValueError, RecursionError) as error:
                if not self._read_on():
                    raise self.error(reason(error)) from error
        text, self._at = self._text[self._at : end], end
        return value, text

    def expect(self, character: str) -> None:
        """Step over `character`; `FormatError` if something else is here."""
        if not self.next_is(character):
            found = self._text[self._at : self._at + 20] or "its end: the file is truncated"
            raise self.error(f"expected {character!r}, found {found!r}")

    def expect_end(self) -> None:
        """Raise `FormatError` if anything but space follows."""
        self._skip_space()
        if self._at < len(self._text):
            rest = self._text[self._at : self._at + 20]
            raise self.error(f"expected its end, found {rest!r}")

    def next_is(self, character: str) -> bool:
        """Whether `character` is here; if so, step over it."""
        self._skip_space()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _skip_space(self) -> None:
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text) or not self._read_on():
                return

    def _read_on(self) -> bool:
        """Double the text, by at least one chunk; False at the end, or if it is too long."""
        rest = self._text[self._at :]
        if len(rest) > _MOST_ELEMENT:
            return False
        pieces, size = [rest], 0
        try:
            while size <= len(rest):
                pieces.append(next(self._decoded))
                size += len(pieces[-1])
        except StopIteration:
            if not size:
                return False
        except UnicodeDecodeError as error:
            raise self.error(error) from error
        self._text, self._at = "".join(pieces), 0
        return True
