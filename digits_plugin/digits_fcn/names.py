"""Class names: PASCAL VOC's, those in a file, and defaults for unnamed classes."""

from __future__ import absolute_import, division, unicode_literals

from .classmap import IGNORE, MAX_CLASSES
from .errors import FcnError
from .text import lines, shorten, to_text

# The 20 object classes of PASCAL VOC in their order, after the background (class 0).
VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()

BACKGROUND_WORDS = ("background", "_background_", "void", "unlabeled", "unlabelled", "other")


def parse(text, where):
    """Return the class names in `text`, one per line in the order of the indices.

    The list ends at its first empty line: what comes after it is prose. Raises FcnError, naming
    `where`, for no or too many names.
    """
    names = lines(text)
    if "" in names:
        names = names[: names.index("")]
    if not names or len(names) > MAX_CLASSES:
        raise FcnError(
            "%s holds %d class names; expected 1 to %d, one per line, the first for index 0."
            % (shorten(where), len(names), MAX_CLASSES)
        )
    return names


def name_of(names, index):
    """Return the name of class `index`: from `names` (a list or None), else "class <index>"."""
    if names is not None and index < len(names):
        return to_text(names[index])
    return to_text("class %d" % index)


def shown_name(names, index, classes=None):
    """Return `name_of`, but "ignored" for 255 unless the network has 256 `classes`."""
    return to_text("ignored") if index == IGNORE and classes != 256 else name_of(names, index)


def background(names):
    """Return the background's index, 0, or None if the first class has some other name.

    Without names class 0 is taken to be the background, as in DIGITS' own view.
    """
    if names and to_text(names[0]).strip().lower() not in BACKGROUND_WORDS:
        return None
    return 0
