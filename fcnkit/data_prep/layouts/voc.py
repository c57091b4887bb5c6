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
        if not extraction.done:
            raise extraction.incomplete()
    progress.done("Done!")
    return {name: len(ids) for name, ids in image_sets.ids.items()}


def image_ids(text: str, source: str) -> list[str]:
    """Parse an image set: one id per line, each returned once; `source` is its name in errors.

    Raises `FormatError` if a line is not a file name, or if there is no line.
    """
    ids: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        # In the sets of single classes a number follows: whether the class is present.
        for word in line.split()[:1]:
            if not re.fullmatch(r"[\w+=@-][\w.+=@-]*", word):
                raise FormatError(source, f"refused: {word!r} is not an image id", number)
            ids[word] = None
    if not ids:
        raise FormatError(source, "the image set is empty")
    return list(ids)


class _ImageSets:
    """Collects the ids of each image set, `ids` (set -> list), from an archive.

    `root` is the path of `<name>` in the archive, ending in `/`; None until a set was found.
    """

    def __init__(self, archive: str, sets: Iterable[str], task: str, name: str | None) -> None:
        self.archive, self.sets, self.task, self.name = archive, list(sets), task, name
        self.ids: dict[str, list[str]] = {}
        self.root: str | None = None
        names = "|".join(map(re.escape, self.sets))
        self._pattern = re.compile(rf"((?:.*/)?)ImageSets/{re.escape(task)}/({names})\.txt")

    @property
    def complete(self) -> bool:
        """Whether all sets were found."""
        return len(self.ids) == len(self.sets)

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
        if name not in self.ids:
            self.root = root
            self.ids[name] = self._parse(member)
        return True

    def _parse(self, member: Member) -> list[str]:
        source = f"{self.archive}: {member.name}"
        if member.size > MAX_SET_FILE:
            raise FormatError(source, f"{member.size} bytes are too many for a list of images")
        text = b"".join(member.read_chunks()).decode("utf-8", "replace")
        return image_ids(text, source)

    def incomplete(self) -> InputError:
        """The error for an archive that lacks sets."""
        missing = next(name for name in self.sets if name not in self.ids)
        return InputError(
            f"{self.archive}: expected {self.name or '<name>'}/ImageSets/{self.task}/{missing}.txt,"
            " found none: the archive is truncated or not in PASCAL VOC's layout (choose other "
            "image sets with {task} and {sets})",
            options={"task": None, "sets": None},
        )


class _Extraction:
    """Writes members that the image sets name; `wanted` is what has not come yet."""

    def __init__(
        self, image_sets: _ImageSets, folder: str, labels: str, progress: Progress
    ) -> None:
        self.image_sets, self.folder, self.progress = image_sets, folder, progress
        self.root = image_sets.root or ""
        self.kinds = {IMAGES: "images", labels: "labels"}
        # (folder in the archive, id) -> the sets that name it
        self.wanted: dict[tuple[str, str], list[str]] = {}
        for name in image_sets.sets:
            for id_ in image_sets.ids[name]:
                for kind in self.kinds:
                    self.wanted.setdefault((kind, id_), []).append(name)
            for kind in self.kinds.values():
                os.makedirs(os.path.join(folder, name, kind))
        self.left = {name: 2 * len(ids) for name, ids in image_sets.ids.items()}
        self.total = sum(self.left.values())
        self.unannounced = list(image_sets.sets)
        self._announce()

    @property
    def done(self) -> bool:
        """Whether everything is written."""
        return not self.wanted

    def take(self, member: Member) -> None:
        """Write `member` if an image set names it."""
        if not member.name.startswith(self.root):
            return
        kind, _, file = member.name[len(self.root) :].partition("/")
        stem, suffix = os.path.splitext(file)
        if suffix.lower() not in _SUFFIXES or (kind, stem) not in self.wanted:
            return
        if member.size > MAX_FILE:
            source = self.image_sets.archive
            raise FormatError(source, f"refused: {member.name} claims {member.size} bytes")
        sets = self.wanted[kind, stem]
        first, *others = [f"{self.folder}/{name}/{self.kinds[kind]}/{file}" for name in sets]
        with open(first, "xb") as written:
            for chunk in member.read_chunks():
                written.write(chunk)
        for other in others:
            shutil.copyfile(first, other)
        del self.wanted[kind, stem]
        for name in sets:
            self.left[name] -= 1
        self._announce()
        self.progress.step(self.total - sum(self.left.values()), self.total)

    def _announce(self) -> None:
        """Report each set when those before it are complete, although they fill in parallel."""
        while self.unannounced:
            announced = len(self.image_sets.sets) - len(self.unannounced)
            if any(self.left[name] for name in self.image_sets.sets[:announced]):
                return
            self.progress.note(f"Processing {self.unannounced.pop(0)} data")

    def incomplete(self) -> InputError:
        """The error for an archive that lacks files."""
        (kind, id_), sets = next(iter(self.wanted.items()))
        return InputError(
            f"{self.image_sets.archive}: lacks {len(self.wanted)} of the {self.total} files that "
            f"its image sets name, such as {self.root}{kind}/{id_} (set {sets[0]}): the archive is "
            f"truncated or incomplete; fetch it again"
        )
