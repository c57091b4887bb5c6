"""Names that an archive holds more than once: of the same content each time, or refused.

`tar -r` and `tar -u` append a file's new version behind its old one, and what unpacks such a tar
keeps the last. A reader that goes through it from front to back would take the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caffeformat import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Hashable


class Repeats:
    """The names of an archive's members, and what is known of each one's content."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._known: dict[str, Hashable] = {}

    def is_new(self, name: str, content: Hashable) -> bool:
        """Whether no member of this name came before.

        Raises `InputError` where one did, with another `content`: a size, a checksum, ...
        """
        if name not in self._known:
            self._known[name] = content
            return True
        if self._known[name] != content:
            raise InputError(
                f"{self._archive}: holds {printable(name)} more than once, with different "
                "contents: unpack the archive, which keeps the last, and pass the folder"
            )
        return False
