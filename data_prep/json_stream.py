"""The elements of a JSON file's top-level lists, one by one, without the whole file in memory."""

import codecs
import json
import re

from caffeformat import FormatError

# No element of a list comes near this, in characters; unpacked it is some 20 times as large.
_MOST_ELEMENT = 16 << 20

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def list_elements(chunks, source):
    """Iterate over (key, value, text) of each element of the lists in a JSON object.

    chunks: of the file, bytes; source: what errors call it; key: of the list; value: the element;
    text: what it stands there as. Values that are no lists are passed over. Raises `FormatError`
    for what is no JSON, no object, or has an element of more than 16 million characters.
    """
    text = _Text(chunks, source)
    text.expect("{")
    if not text.next_is("}"):
        yield from _members(text)
        text.expect("}")
    # Also lets the archive that the file is in compare its checksum.
    text.expect_end()


def _members(text):
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
    """JSON's text, read on as it is needed."""

    def __init__(self, chunks, source):
        self._decoded = codecs.iterdecode(chunks, "utf-8-sig")
        self._source = source
        self._text, self._at = "", 0

    def error(self, problem):
        return FormatError(self._source, f"is no JSON of COCO's form: {problem}")

    def value(self):
        """The value that begins here, and its text."""
        self._skip_space()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                # A number that ends where the text does could go on.
                if end < len(self._text) or not self._read_on():
                    break
            except (ValueError, RecursionError) as error:
                if not self._read_on():
                    raise self.error(error) from error
        text, self._at = self._text[self._at : end], end
        return value, text

    def expect(self, character):
        """Step over `character`; `FormatError` where something else is here."""
        if not self.next_is(character):
            found = self._text[self._at : self._at + 20] or "its end: the file is truncated"
            raise self.error(f"expected {character!r}, found {found!r}")

    def expect_end(self):
        """`FormatError` where anything but space follows."""
        self._skip_space()
        if self._at < len(self._text):
            rest = self._text[self._at : self._at + 20]
            raise self.error(f"expected its end, found {rest!r}")

    def next_is(self, character):
        """Whether `character` is here; it is stepped over then."""
        self._skip_space()
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def _skip_space(self):
        while True:
            self._at = _SPACE.match(self._text, self._at).end()
            if self._at < len(self._text) or not self._read_on():
                return

    def _read_on(self):
        """Get as much text again as is here, at least a chunk; False at the end or if too much."""
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
