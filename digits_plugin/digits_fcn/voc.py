"""The PASCAL VOC layout, and SBD's beside it.

VOC: `ImageSets/Segmentation/<set>.txt` (a name a line), `JPEGImages/<name>.jpg`,
`SegmentationClass/<name>.png`. SBD (Hariharan et al., "Semantic Contours from Inverse Detectors",
ICCV 2011): `img/<name>.jpg`, `cls/<name>.mat` (MATLAB, field GTcls.Segmentation), `train.txt`,
`val.txt`, usually below `dataset/`.
"""

from __future__ import absolute_import, division, unicode_literals

import io

import numpy as np

from . import labels
from .errors import FcnError
from .source import open_source, safe_name
from .text import decode, lines, shorten

SETS = "ImageSets/Segmentation"
IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


def join(*parts):
    """The non-empty parts with forward slashes between."""
    return "/".join(part for part in parts if part)


def read_list(raw, where):
    """Names in an image set file, one a line, each a safe relative name."""
    names = [line for line in lines(decode(raw)) if line]
    if not names:
        raise FcnError("The image set %s is empty; expected a name on each line." % shorten(where))
    return [safe_name(name) for name in names]


class Voc(object):
    """One data set of the VOC layout inside a folder or archive.

    path: of the folder or archive; folder: the part inside it where `ImageSets` lies, needed only
    where it holds several. Raises FcnError where none or no single one is found.
    """

    def __init__(self, path, folder=""):
        self.source = open_source(path)
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
                "'%s' holds several data sets: %s. Name one of them in 'Folder inside'."
                % (shorten(path), shorten(", ".join(roots), 200))
            )
        self.root = roots[0]

    def sets(self):
        """Names of the image sets there are, such as train, val, trainval."""
        names = self.source.listing(join(self.root, SETS))
        return [name[:-4] for name in names if name.endswith(".txt")]

    def names(self, image_set):
        """Names in image set `image_set`, in its order."""
        where = join(self.root, SETS, safe_name(image_set) + ".txt")
        if not self.source.exists(where):
            raise FcnError(
                "There is no image set '%s'; there are: %s."
                % (shorten(image_set), shorten(", ".join(self.sets()), 200) or "none")
            )
        return read_list(self.source.read(where), where)

    def image(self, name):
        """(bytes, file name) of image `name`."""
        return self._first("JPEGImages", name, IMAGE_ENDINGS)

    def label(self, name):
        """(bytes, file name) of label `name`."""
        return self._first("SegmentationClass", name, (".png", ".PNG"))

    def has_label(self, name):
        """Whether `name` has a label (VOC's test images have none)."""
        base = join(self.root, "SegmentationClass", name)
        return self.source.exists(base + ".png") or self.source.exists(base + ".PNG")

    def text(self, name):
        """Text of the file `name` at the top of the data set, or None."""
        where = join(self.root, name)
        return decode(self.source.read(where)) if self.source.exists(where) else None

    def read_label(self, name, colours=None):
        """Class indices and palette of label `name`; see `labels.read_label`."""
        raw, where = self.label(name)
        return labels.read_label(raw, where, colours)

    def _first(self, folder, name, endings):
        base = join(self.root, folder, name)
        for ending in endings:
            if self.source.exists(base + ending):
                return self.source.read(base + ending), base + ending
        raise FcnError(
            "There is no file %s%s, which an image set names. Look whether the data set is "
            "complete." % (shorten(base, 200), endings[0])
        )


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
        """Names of train.txt and val.txt together, sorted."""
        found = set()
        for image_set in ("train", "val"):
            where = join(self.root, image_set + ".txt")
            if not self.source.exists(where):
                raise FcnError("SBD lacks its file %s." % shorten(where))
            found.update(read_list(self.source.read(where), where))
        return sorted(found)

    def image(self, name):
        """(bytes, file name) of image `name`."""
        where = join(self.root, "img", name + ".jpg")
        return self._read(where), where

    def read_label(self, name, colours=None):
        """(H x W uint8 class indices, None); SBD's labels carry no palette and no 255."""
        where = join(self.root, "cls", name + ".mat")
        try:
            from scipy.io import loadmat
        except ImportError:
            raise FcnError(
                "SBD's labels are MATLAB files, which need SciPy to read, and SciPy is not "
                "installed. Install it (`pip install scipy`) or leave SBD out."
            )
        try:
            record = loadmat(io.BytesIO(self._read(where)))["GTcls"]
            indices = np.asarray(record["Segmentation"][0, 0])
        except FcnError:
            raise
        except Exception as error:
            raise FcnError(
                "%s cannot be read (%s); expected MATLAB's GTcls.Segmentation."
                % (shorten(where), shorten(error))
            )
        if indices.ndim != 2 or indices.dtype.kind not in "ui":
            raise FcnError("%s holds no label of H x W whole numbers." % shorten(where))
        return indices.astype(np.uint8), None

    def _read(self, where):
        if not self.source.exists(where):
            raise FcnError("SBD lacks the file %s, which its lists name." % shorten(where, 200))
        return self.source.read(where)
