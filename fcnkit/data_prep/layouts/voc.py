"""Image and label folders from an archive in PASCAL VOC's layout.

    [anything/]<name>/ImageSets/<task>/<set>.txt     ids, one a line
    [anything/]<name>/JPEGImages/<id>.jpg
    [anything/]<name>/SegmentationClass/<id>.png

The archive is read as a stream and only what the image sets name is written. Where images come
before the image sets in a tar, a second pass fetches those.
"""

import os
import re
import shutil

from caffeformat import FormatError, InputError
from fcnkit.files import members, output_folder

IMAGES = "JPEGImages"

_SUFFIXES = (".jpg", ".jpeg", ".png")
# No photograph or label comes near this; what claims to is refused instead of filling the disk.
MAX_FILE = 256 << 20
MAX_SET_FILE = 16 << 20


def prepare_voc(
    archive,
    out,
    sets=("train", "val"),
    task="Segmentation",
    name=None,
    labels="SegmentationClass",
    force=False,
    log=lambda line: None,
    progress=lambda done, total: None,
):
    """Write `out/<set>/{images,labels}` for each image set; returns {set: number of pairs}.

    `archive` is a tar (plain, gz, bz2, xz), a zip or an expanded folder; `name` chooses between
    several `VOCdevkit/<name>`; `labels` is the folder of labels. `log` gets the lines that DIGITS'
    script prints, `progress` the number of files written so far and of all.
    Raises `InputError` where the archive is damaged or lacks something, or `out` holds something.
    """
    archive, out = os.fspath(archive), os.fspath(out)
    log(f"Expanding {archive}")
    with output_folder(out, force) as folder:
        image_sets = _ImageSets(archive, sets, task, name)
        extraction = None
        second_pass_needed = False
        for member in members(archive):
            if image_sets.take(member) and extraction is None and image_sets.complete:
                log(f"Copying data into {out}")
                extraction = _Extraction(image_sets, folder, labels, log, progress)
            elif extraction is None:
                second_pass_needed |= member.name.lower().endswith(_SUFFIXES)
            else:
                extraction.take(member)
                if extraction.done:
                    break
        if extraction is None:
            raise InputError(image_sets.complaint())
        if second_pass_needed and not extraction.done:
            for member in members(archive):
                extraction.take(member)
                if extraction.done:
                    break
        if not extraction.done:
            raise InputError(extraction.complaint())
    log("Done!")
    return {name: len(ids) for name, ids in image_sets.ids.items()}


def image_ids(text, source):
    """The ids in the text of an image set, one a line, each once; `source` is its name in errors.

    Raises `FormatError` where a line is no file name, or where there is none.
    """
    ids = {}
    for number, line in enumerate(text.splitlines(), 1):
        # What follows the id, in the sets of single classes, says whether the class is there.
        for word in line.split()[:1]:
            if not re.fullmatch(r"[\w+=@-][\w.+=@-]*", word):
                raise FormatError(source, f"refused: {word!r} is no image id", number)
            ids[word] = None
    if not ids:
        raise FormatError(source, "the image set is empty")
    return list(ids)


class _ImageSets:
    """The ids of each image set, `ids` (set -> list), as they are found in an archive.

    `root` is the path of `<name>` in the archive, with `/` at its end.
    """

    def __init__(self, archive, sets, task, name):
        self.archive, self.sets, self.task, self.name = archive, list(sets), task, name
        self.ids, self.root = {}, None
        names = "|".join(map(re.escape, self.sets))
        self._pattern = re.compile(rf"((?:.*/)?)ImageSets/{re.escape(task)}/({names})\.txt")

    @property
    def complete(self):
        """Whether all sets were found."""
        return len(self.ids) == len(self.sets)

    def take(self, member):
        """Read `member` if it is one of the sets; whether it is."""
        match = self._pattern.fullmatch(member.name)
        if not match:
            return False
        root, name = match.groups()
        if self.name is not None and os.path.basename(root.rstrip("/")) != self.name:
            return False
        if self.root not in (None, root):
            raise InputError(
                f"{self.archive}: holds {self.root.rstrip('/')} and {root.rstrip('/')}: choose one "
                f"with --name"
            )
        if name not in self.ids:
            self.root = root
            self.ids[name] = self._parse(member)
        return True

    def _parse(self, member):
        source = f"{self.archive}: {member.name}"
        if member.size > MAX_SET_FILE:
            raise FormatError(source, f"{member.size} bytes are no list of images")
        text = b"".join(member.read_chunks()).decode("utf-8", "replace")
        return image_ids(text, source)

    def complaint(self):
        """What to say when the archive has ended and sets are missing."""
        missing = next(name for name in self.sets if name not in self.ids)
        return (
            f"{self.archive}: expected {self.name or '<name>'}/ImageSets/{self.task}/{missing}.txt,"
            f" found none: the archive is truncated or not in PASCAL VOC's layout (other image "
            f"sets are chosen with --task and --sets)"
        )


class _Extraction:
    """Writes members that the image sets name; `wanted` is what has not come yet."""

    def __init__(self, image_sets, folder, labels, log, progress):
        self.image_sets, self.folder, self.log, self.progress = image_sets, folder, log, progress
        self.kinds = {IMAGES: "images", labels: "labels"}
        self.wanted = {}  # (folder in the archive, id) -> the sets that name it
        for name in image_sets.sets:
            for id_ in image_sets.ids[name]:
                for kind in self.kinds:
                    self.wanted.setdefault((kind, id_), []).append(name)
            for kind in self.kinds.values():
                os.makedirs(os.path.join(folder, name, kind))
        self.left = {name: 2 * len(ids) for name, ids in image_sets.ids.items()}
        self.total = sum(self.left.values())
        self.untold = list(image_sets.sets)
        self._tell()

    @property
    def done(self):
        """Whether everything is written."""
        return not self.wanted

    def take(self, member):
        """Write `member` where an image set names it."""
        root = self.image_sets.root
        if not member.name.startswith(root):
            return
        kind, _, file = member.name[len(root) :].partition("/")
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
        self._tell()
        self.progress(self.total - sum(self.left.values()), self.total)

    def _tell(self):
        """Sets fill side by side but are told in order: each when those before it are complete."""
        while self.untold:
            told = len(self.image_sets.sets) - len(self.untold)
            if any(self.left[name] for name in self.image_sets.sets[:told]):
                return
            self.log(f"Processing {self.untold.pop(0)} data")

    def complaint(self):
        """What to say when the archive has ended and files are missing."""
        (kind, id_), sets = next(iter(self.wanted.items()))
        return (
            f"{self.image_sets.archive}: lacks {len(self.wanted)} of the {self.total} files that "
            f"its image sets name, such as {self.image_sets.root}{kind}/{id_} (set {sets[0]}): the "
            f"archive is truncated or incomplete; fetch it again"
        )
