"""Extracts archives in VOC's own layout while they are read, in one pass.

What is in the layout but not as VOC's own archives have it (other lists, colours for classes, other
images) is left to a second look, which `NeedsLook` asks for.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import FormatError, InputError
from caffeformat.files import open_file
from fcnkit.files import members

from .exports.catalogue import image_stem
from .extraction import MAX_FILE, MAX_SET_FILE
from .image_sets import decode_list, is_litter, is_table, same_name, set_lines, two_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fcnkit.files import Member
    from fcnkit.progress import Progress

IMAGES = "JPEGImages"

_SUFFIXES = (".jpg", ".jpeg", ".png")

# A PNG's first bytes, and the place and values of its colour type: RGB, with and without alpha.
_PNG, _COLOUR_TYPE, _COLOURS = b"\x89PNG", 25, (b"\2", b"\6")


class NeedsLook(Exception):
    """The archive is not as VOC's own are. `error` is what to raise if a second look fails."""

    def __init__(self, error: InputError | None = None) -> None:
        super().__init__()
        self.error = error


class VocSource(NamedTuple):
    """Where an archive in VOC's layout has what."""

    archive: str
    sets: Sequence[str]
    task: str
    name: str | None
    labels: str


def extract_stream(source: VocSource, folder: str, out: str, progress: Progress) -> dict[str, int]:
    """Write `folder/<set>/{images,labels}` of each set; returns {set: number of pairs}.

    Raises `NeedsLook` where `folder` has to be emptied and the archive looked at again.
    """
    image_sets = _ImageSets(source)
    extraction: _Extraction | None = None
    second_pass_needed = False
    is_folder_or_zip = _is_listed(source.archive)
    entries = members(source.archive)
    for member in entries:
        if is_litter(member.name):
            continue
        if is_table(member.name):
            raise NeedsLook
        if image_sets.take(member) and extraction is None and image_sets.complete:
            progress.note(f"Copying data into {out}")
            extraction = _Extraction(image_sets, folder, source.labels, progress)
        elif extraction is None:
            second_pass_needed |= member.name.lower().endswith(_SUFFIXES)
        else:
            extraction.take(member)
            if extraction.done and not (is_folder_or_zip or extraction.has_colours):
                break
    for _ in entries:  # other versions of files that a tar has at its end are an error there
        pass
    if extraction is None:
        raise NeedsLook
    if second_pass_needed and not extraction.done:
        for member in members(source.archive):
            if not is_litter(member.name):
                extraction.take(member)
            if extraction.done:
                break
    extraction.finish()
    return {name: len(lines) for name, lines in image_sets.lines.items()}


def _is_listed(archive: str) -> bool:
    """Whether listing all names costs nothing: a folder or a zip, not a tar."""
    if os.path.isdir(archive):
        return True
    with open_file(archive) as file:
        return file.read(2) == b"PK"


class _ImageSets:
    """Collects the lines of each image set, `lines` (set -> list), from an archive.

    `root` is the path of `<name>` in the archive, ending in `/`; None until a set was found.
    """

    def __init__(self, source: VocSource) -> None:
        self.archive, self.sets, self.name = source.archive, list(source.sets), source.name
        self.lines: dict[str, list[tuple[str, ...]]] = {}
        self.root: str | None = None
        names = "|".join(map(re.escape, self.sets))
        self._pattern = re.compile(rf"((?:.*/)?)ImageSets/{re.escape(source.task)}/({names})\.txt")

    @property
    def complete(self) -> bool:
        """Whether all sets were found."""
        return len(self.lines) == len(self.sets)

    def take(self, member: Member) -> bool:
        """Read `member` if it is one of the sets; return whether it is."""
        match = self._pattern.fullmatch(member.name)
        if not match:
            return False
        root, name = match.groups()
        if self.name is not None and os.path.basename(root.rstrip("/")) != self.name:
            return False
        if self.root is not None and self.root != root:
            raise InputError(
                f"{self.archive}: holds {self.root.rstrip('/')} and {root.rstrip('/')}: choose one "
                "with {option}",
                option="name",
            )
        if name not in self.lines:
            self.root = root
            self.lines[name] = self._parse(member)
        return True

    def _parse(self, member: Member) -> list[tuple[str, ...]]:
        source = f"{self.archive}: {member.name}"
        if member.size > MAX_SET_FILE:
            raise FormatError(source, f"{member.size} bytes are too many for a list of images")
        text = decode_list(b"".join(member.read_chunks()))
        if not text.strip() or two_columns(text):
            raise NeedsLook
        return set_lines(text, source)


class _Extraction:
    """Writes members that the image sets may mean; `finish` settles which of them they do mean."""

    def __init__(
        self, image_sets: _ImageSets, folder: str, labels: str, progress: Progress
    ) -> None:
        self.image_sets, self.folder, self.progress = image_sets, folder, progress
        self.root = image_sets.root or ""
        self.kinds = {IMAGES: "images", labels: "labels"}
        # (folder in the archive, key of an id) -> the id, and the sets that may mean it
        self.wanted: dict[tuple[str, str], tuple[str, list[str]]] = {}
        # The same for what was written -> its path below `<set>/`
        self.found: dict[tuple[str, str], str] = {}
        self.origins: dict[tuple[str, str], str] = {}  # likewise -> its path in the archive
        self.made: set[str] = set()  # folders that are there
        self.left: dict[str, int] = {}
        for name in image_sets.sets:
            for meanings in image_sets.lines[name]:
                for id_ in meanings:
                    for kind in self.kinds:
                        _, sets = self.wanted.setdefault((kind, same_name(id_)), (id_, []))
                        sets.append(name)
            for kind in self.kinds.values():
                os.makedirs(os.path.join(folder, name, kind))
            self.left[name] = 2 * len(image_sets.lines[name])
        # What a line means as it stands: when all of these are there, nothing else is.
        lines = [meanings for name in image_sets.sets for meanings in image_sets.lines[name]]
        first = {same_name(meanings[0]) for meanings in lines}
        self.unsettled = {(kind, key) for kind in self.kinds for key in first}
        self.total = sum(self.left.values())
        self.has_colours = False  # whether a label shows colours and not indices
        self.unannounced = list(image_sets.sets)
        self._announce()

    @property
    def done(self) -> bool:
        """Whether every line is settled: it names an image and a label as it stands."""
        return not self.unsettled

    def take(self, member: Member) -> None:
        """Write `member` if an image set may mean it."""
        if not member.name.startswith(self.root):
            return
        kind, _, file = member.name[len(self.root) :].partition("/")
        if kind not in self.kinds:
            return
        stem, suffix = os.path.splitext(file)
        place = kind, same_name(stem)
        if suffix.lower() not in _SUFFIXES:
            if image_stem(file) == stem and (place in self.wanted or place in self.found):
                raise NeedsLook  # an image that has to be named anew, or two of one name
            return
        if self.origins.get(place, member.name) != member.name:
            raise NeedsLook  # two images of one name
        if place not in self.wanted:
            return
        if member.size > MAX_FILE:
            source = self.image_sets.archive
            raise FormatError(source, f"refused: {member.name} claims {member.size} bytes")
        id_, sets = self.wanted.pop(place)
        self.found[place] = f"{self.kinds[kind]}/{id_}{suffix}"
        self.origins[place] = member.name
        first, *others = self._paths(place, dict.fromkeys(sets))
        with open(first, "xb") as written:
            for chunk in member.read_chunks():
                if not written.tell() and kind != IMAGES:
                    self.has_colours |= _shows_colours(chunk)
                written.write(chunk)
        for other in others:
            shutil.copyfile(first, other)
        self.unsettled.discard(place)
        for name in sets:
            self.left[name] -= 1
        self._announce()
        left = sum(max(count, 0) for count in self.left.values())
        self.progress.step(self.total - left, self.total)

    def finish(self) -> None:
        """Keep what the lines mean, remove what they only might have meant.

        Raises `InputError` where a line means nothing in the archive, or two mean the same.
        """
        missing = []
        for name in self.image_sets.sets:
            meant: dict[str, tuple[str, ...]] = {}
            for meanings in self.image_sets.lines[name]:
                key = next(filter(self._is_whole, map(same_name, meanings)), None)
                if key is None:
                    missing.append((name, meanings))
                elif key in meant:
                    raise InputError(
                        f"{self.image_sets.archive}: set {name}: the lines {meant[key][0]!r} and "
                        f"{meanings[0]!r} both name the image {key!r}: correct the list"
                    )
                else:
                    meant[key] = meanings
            if not missing:
                self._remove_others(name, meant)
        if missing:
            raise NeedsLook(self._incomplete(*missing[0]))
        for name in self.left:
            self.left[name] = 0
        self._announce()

    def _is_whole(self, key: str) -> bool:
        return all((kind, key) in self.found for kind in self.kinds)

    def _remove_others(self, name: str, meant: Iterable[str]) -> None:
        might = {same_name(id_) for line in self.image_sets.lines[name] for id_ in line}
        for key in might.difference(meant):
            for kind in self.kinds:
                if (kind, key) in self.found:
                    os.remove(*self._paths((kind, key), [name]))

    def _paths(self, place: tuple[str, str], sets: Iterable[str]) -> list[str]:
        paths = [f"{self.folder}/{name}/{self.found[place]}" for name in sets]
        for path in paths:
            folder = os.path.dirname(path)
            if folder not in self.made:
                os.makedirs(folder, exist_ok=True)
                self.made.add(folder)
        return paths

    def _announce(self) -> None:
        """Report each set when those before it are complete, although they fill in parallel."""
        while self.unannounced:
            announced = len(self.image_sets.sets) - len(self.unannounced)
            if any(self.left[name] > 0 for name in self.image_sets.sets[:announced]):
                return
            self.progress.note(f"Processing {self.unannounced.pop(0)} data")

    def _incomplete(self, name: str, meanings: Iterable[str]) -> InputError:
        """The error for an archive that lacks files, such as those of a line of a set."""
        kind, id_ = next(
            (kind, id_)
            for id_ in meanings
            for kind in self.kinds
            if (kind, same_name(id_)) not in self.found
        )
        count = min(self.total, len(self.wanted))
        return InputError(
            f"{self.image_sets.archive}: lacks {count} of the {self.total} files that "
            f"its image sets name, such as {self.root}{kind}/{id_} (set {name}): the archive is "
            f"truncated or incomplete; fetch it again"
        )


def _shows_colours(data: bytes) -> bool:
    """Whether a label that begins with `data` is an RGB image."""
    return data.startswith(_PNG) and data[_COLOUR_TYPE : _COLOUR_TYPE + 1] in _COLOURS
