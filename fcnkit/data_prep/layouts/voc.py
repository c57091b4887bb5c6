"""Makes image and label folders from an archive in PASCAL VOC's layout.

    [anything/]<name>/ImageSets/<task>/<set>.txt     ids, one per line
    [anything/]<name>/JPEGImages/<id>.jpg
    [anything/]<name>/SegmentationClass/<id>.png

The archive is read as a stream, and only what the image sets name is written. If images come before
the image sets in a tar, a second pass fetches those.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from caffeformat import FormatError, InputError
from fcnkit.files import members, output_folder
from fcnkit.progress import Progress

from .image_sets import decode_list, same_name, set_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fcnkit.files import Member

IMAGES = "JPEGImages"

_SUFFIXES = (".jpg", ".jpeg", ".png")
# Bytes; far more than photographs and labels have. Larger files are refused before they fill the
# disk.
MAX_FILE = 256 << 20
MAX_SET_FILE = 16 << 20


def prepare_voc(
    archive: str | os.PathLike[str],
    out: str | os.PathLike[str],
    sets: Iterable[str] = ("train", "val"),
    task: str = "Segmentation",
    name: str | None = None,
    labels: str = "SegmentationClass",
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write `out/<set>/{images,labels}` for each image set; returns {set: number of pairs}.

    archive     tar (plain, gz, bz2, xz), zip or expanded folder
    sets        image sets, lists of ImageSets/<task>
    name        which VOCdevkit/<name>, if the archive holds several
    labels      the archive's folder of labels
    force       whether entries of the same names in `out` are replaced

    `progress` receives the lines that DIGITS' script prints as notes. Raises `InputError` if the
    archive is damaged or incomplete, or if `out` is not empty.
    """
    archive, out, progress = os.fspath(archive), os.fspath(out), progress or Progress()
    progress.note(f"Expanding {archive}")
    with output_folder(out, force) as folder:
        image_sets = _ImageSets(archive, sets, task, name)
        extraction = None
        second_pass_needed = False
        for member in members(archive):
            if image_sets.take(member) and extraction is None and image_sets.complete:
                progress.note(f"Copying data into {out}")
                extraction = _Extraction(image_sets, folder, labels, progress)
            elif extraction is None:
                second_pass_needed |= member.name.lower().endswith(_SUFFIXES)
            else:
                extraction.take(member)
                if extraction.done:
                    break
        if extraction is None:
            raise image_sets.incomplete()
        if second_pass_needed and not extraction.done:
            for member in members(archive):
                extraction.take(member)
                if extraction.done:
                    break
        extraction.finish()
    progress.done("Done!")
    return {name: len(lines) for name, lines in image_sets.lines.items()}


class _ImageSets:
    """Collects the lines of each image set, `lines` (set -> list), from an archive.

    `root` is the path of `<name>` in the archive, ending in `/`; None until a set was found.
    """

    def __init__(self, archive: str, sets: Iterable[str], task: str, name: str | None) -> None:
        self.archive, self.sets, self.task, self.name = archive, list(sets), task, name
        self.lines: dict[str, list[tuple[str, ...]]] = {}
        self.root: str | None = None
        names = "|".join(map(re.escape, self.sets))
        self._pattern = re.compile(rf"((?:.*/)?)ImageSets/{re.escape(task)}/({names})\.txt")

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
        return set_lines(decode_list(b"".join(member.read_chunks())), source)

    def incomplete(self) -> InputError:
        """The error for an archive that lacks sets."""
        missing = next(name for name in self.sets if name not in self.lines)
        return InputError(
            f"{self.archive}: expected {self.name or '<name>'}/ImageSets/{self.task}/{missing}.txt,"
            " found none: the archive is truncated or not in PASCAL VOC's layout (choose other "
            "image sets with {task} and {sets})",
            options={"task": None, "sets": None},
        )


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
        stem, suffix = os.path.splitext(file)
        place = kind, same_name(stem)
        if suffix.lower() not in _SUFFIXES or place not in self.wanted:
            return
        if member.size > MAX_FILE:
            source = self.image_sets.archive
            raise FormatError(source, f"refused: {member.name} claims {member.size} bytes")
        id_, sets = self.wanted.pop(place)
        self.found[place] = f"{self.kinds[kind]}/{id_}{suffix}"
        first, *others = self._paths(place, dict.fromkeys(sets))
        with open(first, "xb") as written:
            for chunk in member.read_chunks():
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
            raise self._incomplete(*missing[0])
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
            os.makedirs(os.path.dirname(path), exist_ok=True)
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
