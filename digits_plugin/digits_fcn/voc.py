"""The dataset layouts of PASCAL VOC and SBD.

VOC: `ImageSets/Segmentation/<set>.txt` (one name per line), `JPEGImages/<name>.jpg`,
`SegmentationClass/<name>.png`. SBD (Hariharan et al., "Semantic Contours from Inverse Detectors",
ICCV 2011): `img/<name>.jpg`, `cls/<name>.mat` (MATLAB, field GTcls.Segmentation), `train.txt`,
`val.txt`, usually below `dataset/`.
"""

from __future__ import absolute_import, division, unicode_literals

import io
import re
import unicodedata

import numpy as np

from . import labels
from .errors import FcnError
from .source import open_source, safe_name
from .text import decode, lines, shorten

SETS = "ImageSets/Segmentation"
FOLDERS = ("JPEGImages", "SegmentationClass")
IMAGE_ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")
LABEL_ENDINGS = (".png", ".bmp", ".gif", ".tif", ".tiff", ".jpg", ".jpeg")
# What annotation tools put beside the folders: the colour of each class.
COLOUR_TABLES = ("labelmap.txt", "class_dict.csv", "colors.txt")
# Bytes of a MATLAB file before its data.
MAT_HEADER = 128
COLUMN = re.compile(r"(.*\S)\s+-?[01]$")
QUOTED = re.compile('"[^"]+"$')


def join(*parts):
    """Join the non-empty parts with forward slashes."""
    return "/".join(part for part in parts if part)


def read_list(raw, where):
    """Return what each line of an image set file may mean, likeliest first: list of lists.

    The line as it stands comes first: file names may hold blanks and end in a number. Then come
    the line without quotes, without VOC's column -1, 0 or 1, and without the ending of an image.
    """
    found = [_meanings(line) for line in lines(decode(raw)) if line]
    if not found:
        raise FcnError("The image set %s is empty; expected a name on each line." % shorten(where))
    return found


def _meanings(line):
    found = [line]
    column = COLUMN.match(line)
    if column:
        found.append(column.group(1))
    found += [text[1:-1] for text in found if QUOTED.match(text)]
    found += [text[: text.rindex(".")] for text in found if ending(text) in IMAGE_ENDINGS]
    return [safe_name(text) for text in found]


def two_columns(raw):
    """Return the (image, label) paths of each line of a list with two columns, as DeepLab's.

    They are [] for a list of another kind.
    """
    found = []
    for line in lines(decode(raw)):
        pair = [part.strip('"').lstrip("/") for part in re.split(r"[\t,; ]+", line)]
        if line and (len(pair) != 2 or not all(ending(path) in IMAGE_ENDINGS for path in pair)):
            return []
        found += [[safe_name(path) for path in pair]] if line else []
    return found


def ending(name):
    """Return a file name's ending in lower case, with the dot; "" if it has none."""
    last = name.split("/")[-1]
    return last[last.rindex(".") :].lower() if "." in last else ""


class Voc(object):
    """One dataset of the VOC layout inside a folder or archive.

    path: the folder or archive; folder: the part inside it that contains `ImageSets`, needed only
    if there are several. Raises FcnError if no dataset, or no single one, is found.
    """

    def __init__(self, path, folder=""):
        self.source = open_source(path)
        self.folders = list(FOLDERS)
        self._files = {}
        roots = self.source.roots(SETS)
        if folder:
            wanted = safe_name(folder)
            roots = [root for root in roots if root == wanted or root.endswith("/" + wanted)]
        if not roots:
            raise FcnError(
                "'%s' holds no folder %s%s; expected the PASCAL VOC layout (ImageSets, JPEGImages, "
                "SegmentationClass)." % (shorten(path, 200), SETS, folder and " below " + folder)
            )
        if len(roots) > 1:
            raise FcnError(
                "'%s' holds several datasets: %s. Name one of them in 'Folder inside'."
                % (shorten(path), shorten(", ".join(roots), 200))
            )
        self.root = roots[0]

    def sets(self):
        """Return the names of the image sets, such as train, val, trainval."""
        names = self.source.listing(join(self.root, SETS))
        return [name[:-4] for name in names if name.endswith(".txt")]

    def names(self, image_set):
        """Return the names in image set `image_set`, in its order."""
        where = join(self.root, SETS, safe_name(image_set) + ".txt")
        if not self.source.exists(where):
            raise FcnError(
                "There is no image set '%s'; there are: %s."
                % (shorten(image_set), shorten(", ".join(self.sets()), 200) or "none")
            )
        raw = self.source.read(where)
        pairs = two_columns(raw)
        if pairs:
            return self._paired(pairs, where)
        found = []
        for meanings in read_list(raw, where):
            known = [name for name in meanings if self._images(name)]
            found.append((known or meanings)[0])
        return found

    def _paired(self, pairs, where):
        """Return the names in a list with two columns, which say where images and labels lie."""
        found = []
        for pair in pairs:
            folders, names = zip(*[path.rpartition("/")[::2] for path in pair])
            stems = {name[: name.rindex(".")] for name in names}
            if not found and self.folders == list(FOLDERS):
                self.folders = list(folders)
            if list(folders) != self.folders or len(stems) > 1:
                raise FcnError(
                    "%s pairs '%s' with '%s'; expected a label of its image's name in each line, "
                    "and all images and all labels in one folder each (%s, %s)."
                    % ((shorten(where),) + tuple(map(shorten, list(pair) + self.folders)))
                )
            found.append(stems.pop())
        return found

    def image(self, name):
        """Return (bytes, file name) of image `name`."""
        return self._read(self.folders[0], name, self._images(name), IMAGE_ENDINGS[0])

    def label(self, name):
        """Return (bytes, file name) of label `name`."""
        return self._read(self.folders[1], name, self._labels(name), LABEL_ENDINGS[0])

    def has_label(self, name):
        """Return whether `name` has a label (VOC's test images have none)."""
        return bool(self._labels(name))

    def text(self, name):
        """Return the text of the file `name` at the top of the dataset, or None."""
        where = join(self.root, name)
        return decode(self.source.read(where)) if self.source.exists(where) else None

    def read_label(self, name, colours=None, **options):
        """Return the class indices and palette of label `name`; see `labels.read_label`."""
        raw, where = self.label(name)
        return labels.read_label(raw, where, colours, **options)

    def _images(self, name):
        return self._named(self.folders[0], name, IMAGE_ENDINGS + ("",))

    def _labels(self, name):
        return self._named(self.folders[1], name, LABEL_ENDINGS)

    def _read(self, folder, name, found, usual):
        base = shorten(join(self.root, folder, name), 200)
        if not found:
            raise FcnError(
                "There is no file %s%s, which an image set names. Check whether the dataset is "
                "complete." % (base, usual)
            )
        if len(found) > 1:
            raise FcnError(
                "%s, which an image set names, may be %s; expected one file of that name. Remove "
                "the others." % (base, shorten(" or ".join(found), 300))
            )
        return self.source.read(found[0]), found[0]

    def _named(self, folder, name, endings):
        """Return the paths of the files of this name with any of the endings."""
        folder, _, last = join(self.root, folder, name).rpartition("/")
        if folder not in self._files:
            found = {}
            for file_name in self.source.listing(folder):
                end = ending(file_name)
                stem = _same(file_name[: len(file_name) - len(end)])
                found.setdefault(stem, []).append((end, join(folder, file_name)))
            self._files[folder] = found
        found = [path for end, path in self._files[folder].get(_same(last), []) if end in endings]
        if "" in endings and not found and ending(last) not in endings:
            # A file without an ending may have a dot in its name.
            whole = join(folder, last)
            return [whole] if self.source.exists(whole) else []
        return found


def size_words(size):
    """Return (height, width) as people write it: width x height."""
    return "%d x %d" % (size[1], size[0])


def _same(name):
    """Return a key that is equal for names that differ only in how accents are encoded."""
    return unicodedata.normalize("NFC", name)


class Sbd(object):
    """The Semantic Boundaries Dataset inside a folder or archive (`path`)."""

    def __init__(self, path):
        self.source = open_source(path)
        roots = self.source.roots("cls")
        if len(roots) != 1:
            raise FcnError(
                "'%s' holds %s; expected SBD's layout (img, cls, train.txt, val.txt)."
                % (shorten(path, 200), "several folders cls" if roots else "no folder cls")
            )
        self.root = roots[0]

    def names(self):
        """Return the names in train.txt and val.txt together, sorted."""
        found = set()
        for image_set in ("train", "val"):
            where = join(self.root, image_set + ".txt")
            if not self.source.exists(where):
                raise FcnError("SBD lacks the file %s." % shorten(where))
            for meanings in read_list(self.source.read(where), where):
                known = [name for name in meanings if self.source.exists(self._image(name))]
                found.add((known or meanings)[0])
        return sorted(found)

    def image(self, name):
        """Return (bytes, file name) of image `name`."""
        where = self._image(name)
        return self._read(where), where

    def label(self, name):
        """Return the bytes of label `name`, a MATLAB file."""
        where = join(self.root, "cls", name + ".mat")
        raw = self._read(where)
        if len(raw) <= MAT_HEADER or not raw.startswith(b"MATLAB 5.0 MAT-file"):
            raise FcnError(
                "%s is not a MATLAB file of version 5, which SBD's labels are. Check whether the "
                "dataset is complete." % shorten(where, 200)
            )
        return raw

    def _image(self, name):
        return join(self.root, "img", name + ".jpg")

    def read_label(self, name, colours=None, **options):
        """Return (H x W uint8 class indices, None): SBD's labels have no palette and no 255."""
        where = join(self.root, "cls", name + ".mat")
        try:
            from scipy.io import loadmat
        except ImportError:
            raise FcnError(
                "SBD's labels are MATLAB files; reading them needs SciPy, which is not installed. "
                "Install it (`pip install scipy`) or leave SBD out."
            )
        try:
            record = loadmat(io.BytesIO(self.label(name)))["GTcls"]
            indices = np.asarray(record["Segmentation"][0, 0])
        except FcnError:
            raise
        except Exception as error:
            raise FcnError(
                "%s cannot be read (%s); expected MATLAB's GTcls.Segmentation."
                % (shorten(where), shorten(error))
            )
        if indices.ndim != 2 or indices.dtype.kind not in "ui":
            raise FcnError("%s does not hold a label of H x W whole numbers." % shorten(where))
        if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) <= labels.IGNORE:
            raise FcnError(
                "%s has class indices from %d to %d; expected 0 to 255."
                % (shorten(where), indices.min(), indices.max())
            )
        return indices.astype(np.uint8), None

    def _read(self, where):
        if not self.source.exists(where):
            raise FcnError("SBD lacks the file %s, which its lists name." % shorten(where, 200))
        return self.source.read(where)
