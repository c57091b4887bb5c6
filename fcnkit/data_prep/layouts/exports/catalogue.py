"""Lists the files of an archive or folder once, so that layouts can look for what they know."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from caffeformat import FormatError, InputError, brief
from caffeformat.files import open_file
from fcnkit.files import Member, members, parse_json
from fcnkit.images import IMAGE_SUFFIXES, UNREAD_SUFFIXES

from ..extraction import MAX_FILE, member_chunks, read_member
from ..image_sets import decode_list, is_litter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# Suffixes of images that Pillow reads and `IMAGE_SUFFIXES` lacks: written with the usual one.
_OTHER_IMAGE_SUFFIXES = (".jfif", ".jpe", ".pjpeg", ".pjp", ".dib")

# Files without a suffix that are no images.
_PLAIN_WORDS = ("readme", "license", "licence", "copying", "makefile", "notice", "authors")

# Bytes of one text file that is kept while the archive is listed, and of all of them. Lists of
# images have some 40 bytes per image.
_TEXT, _TEXTS = 4 << 20, 64 << 20
_TEXT_SUFFIXES = (".txt", ".csv")

# Bytes of a JSON file's beginning that tell what it is, and the most that one may have: the
# annotations of COCO's 118,000 training images have 470 MB.
_HEAD, _MOST_ANNOTATIONS = 64 << 10, 1 << 30
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\]:]', re.DOTALL)

# The most files that an archive may list; ImageNet's training set has 1.3 million.
_MOST_FILES = 4_000_000


class File(NamedTuple):
    """A file of a source."""

    source: str  # the archive or folder
    name: str  # path in it, `/` between parts
    size: int  # bytes

    @property
    def folder(self) -> str:
        """The path of its folder, "" at the top."""
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """Its name without folder and image suffix."""
        return image_stem(self.name.rpartition("/")[2])

    def __str__(self) -> str:
        """What errors call it."""
        return f"{self.source}: {self.name}"


def image_stem(name: str) -> str:
    """`name` without the suffix of an image; whole if it ends in something else."""
    stem, suffix = os.path.splitext(name)
    known = suffix.lower() in IMAGE_SUFFIXES or suffix.lower() in _OTHER_IMAGE_SUFFIXES
    return stem if known else name


def is_image(name: str) -> bool:
    """Whether a file of this name may be an image: by its suffix, or without any suffix."""
    base = name.rpartition("/")[2]
    if image_stem(base) != base:
        return True
    return not re.search(r"\.[a-zA-Z]\w*$", base) and base.lower() not in _PLAIN_WORDS


class Catalogue:
    """The files of `source` and, if its images lie apart, of `images`.

    Attributes: `source` and `apart`, the two paths (`apart` may be None); `files`, all of them.
    Raises `InputError` as `members` does.
    """

    def __init__(
        self, source: str | os.PathLike[str], images: str | os.PathLike[str] | None = None
    ) -> None:
        self.source = os.fspath(source)
        self.apart = None if images is None else os.fspath(images)
        self.files: list[File] = []
        self._texts: dict[File, bytes] = {}
        left = _TEXTS
        for place in (self.source, *([] if self.apart is None else [self.apart])):
            for file, member in _files_of(place):
                self.files.append(file)
                if len(self.files) > _MOST_FILES:
                    raise FormatError(place, f"refused: more than {_MOST_FILES} files")
                is_text = file.name.lower().endswith(_TEXT_SUFFIXES)
                if is_text and file.size <= min(_TEXT, left):
                    self._texts[file] = read_member(member)
                    left -= file.size

    @functools.cached_property
    def images(self) -> list[File]:
        """The files that may be images."""
        return [file for file in self.files if is_image(file.name)]

    @functools.cached_property
    def unread(self) -> list[File]:
        """The pictures of kinds that are not read."""
        return [file for file in self.files if file.name.lower().endswith(UNREAD_SUFFIXES)]

    @functools.cached_property
    def photographs(self) -> list[File]:
        """Those of `images` that may be photographs: where these lie apart, all of them there."""
        return [file for file in self.images if self.apart in (None, file.source)]

    @functools.cached_property
    def json_keys(self) -> dict[File, list[str]]:
        """The keys at the top of each JSON file, as far as its beginning shows them."""
        files = {file for file in self.files if file.name.lower().endswith(".json")}
        found: dict[File, list[str]] = {}
        for source in dict.fromkeys(file.source for file in files):
            for file, member in _files_of(source):
                if file in files:
                    found[file] = top_keys(next(member.read_chunks(), b"")[:_HEAD])
        return found

    def chunks(self, file: File) -> Iterator[bytes]:
        """The content of one large file, piece by piece."""
        for other, member in _files_of(file.source):
            if other == file:
                yield from member_chunks(member, _MOST_ANNOTATIONS)
                return

    def named(self, test: Callable[[str], object]) -> list[File]:
        """The files whose path passes `test`."""
        return [file for file in self.files if test(file.name)]

    def text(self, file: File) -> str:
        """The text of a small file, in whatever encoding lists and tables come."""
        if file not in self._texts:
            self._texts.update(self.read([file]))
        return decode_list(self._texts[file])

    def read(self, files: Iterable[File]) -> dict[File, bytes]:
        """The content of some files."""
        found: dict[File, bytes] = {}
        self.extract({file: [functools.partial(found.__setitem__, file)] for file in files})
        return found

    def extract(
        self,
        wanted: dict[File, list[Callable[[bytes], object]]],
        step: Callable[[int, int], object] | None = None,
    ) -> None:
        """Hand the content of each of `wanted` to its actions, in the order of the sources.

        Archives are read once, and no further than needed. `step(done, total)` follows each file.
        Raises `InputError` if a source has changed.
        """
        left = dict(wanted)
        for source in dict.fromkeys(file.source for file in wanted):
            here = sum(file.source == source for file in left)
            for file, member in _files_of(source) if here else ():
                actions = left.pop(file, None)
                if actions is None:
                    continue
                data = read_member(member, MAX_FILE)
                for action in actions:
                    action(data)
                if step is not None:
                    step(len(wanted) - len(left), len(wanted))
                here -= 1
                if not here:
                    break
        if left:
            raise InputError(f"{next(iter(left))}: has gone while it was read: run again")


def json_object(data: bytes, name: str) -> dict[str, Any]:
    """The object that a small JSON file holds; `FormatError` with `name` for anything else."""
    content = parse_json(data, name)
    if not isinstance(content, dict):
        raise FormatError(name, f"expected a JSON object, found {brief(content)}")
    return content


def top_keys(data: bytes) -> list[str]:
    """The keys of the outermost object of JSON text that begins with `data`, whole or cut."""
    found, depth, last = [], 0, ""
    for match in _TOKEN.finditer(data.decode("utf-8-sig", "replace")):
        token = match.group()
        if token[0] == '"':
            last = token.strip('"')
        elif token == ":" and depth == 1:
            found.append(last)
        elif token in "{[":
            depth += 1
        elif token in "}]":
            depth -= 1
    return found


def _files_of(source: str) -> Iterator[tuple[File, Member]]:
    """The files of a folder, an archive, or a single JSON file, without litter and links.

    Raises `InputError` for an image that is a link in an archive.
    """
    if source.lower().endswith(".json") and os.path.isfile(source):
        size = os.path.getsize(source)
        opener = functools.partial(_open, source)
        single = Member(source, os.path.basename(source), size, True, opener)
        yield File(source, single.name, size), single
        return
    for member in members(source):
        if os.path.splitext(member.name)[1].lower() in IMAGE_SUFFIXES:
            member.check_plain()  # rather than leave an image out without a word
        if member.is_plain and not is_litter(member.name):
            yield File(source, member.name, member.size), member


def _open(path: str) -> BinaryIO:
    return open_file(path)
