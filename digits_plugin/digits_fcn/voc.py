"""The dataset layouts of PASCAL VOC and SBD.

VOC: `ImageSets/Segmentation/<set>.txt` (one name per line), `JPEGImages/<name>.jpg`,
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
    """Join the non-empty parts with forward slashes."""
    return "/".join(part for part in parts if part)


def read_list(raw, where):
    """Return the names in an image set file, one per line, each a safe relative name."""
    names = [line for line in lines(decode(raw)) if line]
    if not names:
        raise FcnError("The image set %s is empty; expected a name on each line." % shorten(where))
    return [safe_name(name) for name in names]


class Voc(object):
    """One dataset of the VOC layout inside a folder or archive.

    path: the folder or archive; folder: the part inside it that contains `ImageSets`, needed only
    if there are several. Raises FcnError if no dataset, or no single one, is found.
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
        return read_list(self.source.read(where), where)

    def image(self, name):
        """Return (bytes, file name) of image `name`."""
        return self._first("JPEGImages", name, IMAGE_ENDINGS)

    def label(self, name):
        """Return (bytes, file name) of label `name`."""
        return self._first("SegmentationClass", name, (".png", ".PNG"))

    def has_label(self, name):
        """Return whether `name` has a label (VOC's test images have none)."""
        base = join(self.root, "SegmentationClass", name)
        return self.source.exists(base + ".png") or self.source.exists(base + ".PNG")

    def text(self, name):
        """Return the text of the file `name` at the top of the dataset, or None."""
        where = join(self.root, name)
        return decode(self.source.read(where)) if self.source.exists(where) else None

    def read_label(self, name, colours=None):
        """Return the class indices and palette of label `name`; see `labels.read_label`."""
        raw, where = self.label(name)
        return labels.read_label(raw, where, colours)

    def _first(self, folder, name, endings):
        base = join(self.root, folder, name)
        for ending in endings:
            if self.source.exists(base + ending):
                return self.source.read(base + ending), base + ending
        raise FcnError(
            "There is no file %s%s, which an image set names. Check whether the dataset is "
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
        """Return the names in train.txt and val.txt together, sorted."""
        found = set()
        for image_set in ("train", "val"):
            where = join(self.root, image_set + ".txt")
            if not self.source.exists(where):
                raise FcnError("SBD lacks the file %s." % shorten(where))
            found.update(read_list(self.source.read(where), where))
        return sorted(found)

    def image(self, name):
        """Return (bytes, file name) of image `name`."""
        where = join(self.root, "img", name + ".jpg")
        return self._read(where), where

    def read_label(self, name, colours=None):
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
            raise FcnError("%s does not hold a label of H x W whole numbers." % shorten(where))
        return indices.astype(np.uint8), None

    def _read(self, where):
        if not self.source.exists(where):
            raise FcnError("SBD lacks the file %s, which its lists name." % shorten(where, 200))
        return self.source.read(where)
