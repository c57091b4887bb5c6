"""Class names: PASCAL VOC's, those in a file, and defaults for unnamed classes."""

from __future__ import absolute_import, division, unicode_literals

import re

from . import class_table
from .classmap import IGNORE, MAX_CLASSES
from .errors import FcnError
from .text import lines, shorten, to_text

# The 20 object classes of PASCAL VOC in their order, after the background (class 0).
VOC = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()

# An index before a name; the whole part of `0.5 mm` is none.
NUMBERED = re.compile(r"(\d{1,4})(?:\s*[:)]|\.(?!\d)|(?=\s))\s*(\S.*)$")

# A name, what parts it from its index, and the index
NUMBERED_END = re.compile(r"(\S.*?)(\s*[,;:=]\s*|\s+)(\d{1,4})$")
# What may be before, or around, all names
ADORNED = [re.compile(form) for form in (r"- +(\S.*)$", r'"\s*([^"\s][^"]*)"$', r"'\s*([^'\s][^']*)'$")]

IGNORE_NAME = class_table.IGNORE_NAMES[0]
HEADERS = class_table.NAME_COLUMNS + ("labels",)

BACKGROUND_WORDS = ("background", "_background_", "void", "unlabeled", "unlabelled", "other")


def parse(text, where):
    """Return the class names in `text`, one per line in the order of the indices.

    The list ends at its first empty line: what comes after it is prose. Tables of annotation tools
    (see class_table.py) are read as well, and labelme's first line, `__ignore__`, is not a class.
    Raises FcnError, naming `where`, for no or too many names, a name that occurs twice, and for
    lines that cannot be names: a header, columns, colours.
    """
    table = class_table.parse(text, where)
    if table is None:
        names = lines(text)
        if "" in names:
            names = names[: names.index("")]
        names = _unadorned(names)
        if names and names[0].lower() == IGNORE_NAME:
            # labelme gives its first line the index -1 and stores it as 255.
            del names[0]
        own = _without_indices(names) or _without_ends(names)
        if own is None:
            _refuse_tables(names, where)
        else:
            names = own
    else:
        names = table.names
        values = [colour[0] for colour in table.colours]
        if table.grey and values != list(range(len(names))):
            raise FcnError(
                "In %s the classes have the pixel values %s; expected 0 to %d. Enter it as the "
                "colour map file, and a file with one name per line here, or nothing."
                % (shorten(where), ", ".join(map(str, values[:5])), len(names) - 1)
            )
    if not names or len(names) > MAX_CLASSES:
        raise FcnError(
            "%s holds %d class names; expected 1 to %d, one per line, the first for index 0."
            % (shorten(where), len(names), MAX_CLASSES)
        )
    for number, name in enumerate(names, 1):
        if name in names[: number - 1]:
            raise FcnError(
                "In %s class '%s' stands twice, as number %d and %d; expected each name once."
                % (shorten(where), shorten(name), names.index(name) + 1, number)
            )
    return names


def _without_indices(names):
    """Return the names after the indices 0, 1, 2, ... if these begin the lines, else None."""
    found = [NUMBERED.match(name) for name in names]
    if len(names) < 2 or not all(found):
        return None
    own = [match.group(2) for match in found]
    are_names = not all(re.match(r"[\d\s,;]+$", name) for name in own)
    are_indices = [int(match.group(1)) for match in found] == list(range(len(names)))
    return own if are_names and are_indices else None


def _without_ends(names):
    """Return the names in the order of the indices 0, 1, 2, ... that end all lines, else None."""
    found = [NUMBERED_END.match(name) for name in names]
    if len(names) < 2 or not all(found):
        return None
    own = {int(match.group(3)): match.group(1) for match in found}
    are_names = not any(re.match(r"[\d\s,;]+$", name) for name in own.values())
    if not are_names or len(set(own.values())) < len(names) or sorted(own) != list(range(len(own))):
        return None
    return [own[index] for index in range(len(own))]


def _unadorned(names):
    """Return the names without the quotes or dashes that are around, or before, all of them."""
    for form in ADORNED:
        found = [form.match(name) for name in names]
        if names and all(found):
            return [match.group(1).strip() for match in found]
    return names


def _refuse_tables(names, where):
    """Raise FcnError if the lines cannot be names."""
    if not names:
        return
    first, words = names[0], None
    header = [cell.strip(' \t"').lower() for cell in re.split("[,;\t]", first)]
    if IGNORE_NAME in names:
        words = "line %d is %s" % (names.index(IGNORE_NAME) + 1, IGNORE_NAME)
    elif all(re.match(r"\d+[\s,;]+\d+[\s,;]+\d+$", name) for name in names):
        words = "its lines are the colours of a colour map"
    elif any(name.startswith("#") for name in names):
        words = "it has a comment, which is no class"
    elif first[0] in "[{" or any(name.startswith("names:") for name in names):
        words = "it is JSON or YAML"
    elif header[0] in HEADERS or (len(header) > 1 and set(header) & set(HEADERS)):
        words = "its first line is the header of a table"
    else:
        for separator, what in ((",", "commas"), (";", "semicolons"), ("\t", "tabs")):
            counts = {name.count(separator) for name in names}
            if counts != {0} and len(counts) == 1:
                words = "its lines are columns between %s" % what
        if not words and len(names) > 1 and all(NUMBERED.match(name) for name in names):
            words = (
                "its lines begin with other numbers than 0, 1, 2 and so on, the indices, which go "
                "before names that begin with numbers of their own, too"
            )
        ends = [NUMBERED_END.match(name) for name in names]
        if not words and len(names) > 1 and all(m and m.group(2).strip() for m in ends):
            words = "its lines end in other numbers than 0, 1, 2 and so on, the indices"
    if words:
        raise FcnError(
            "%s is not a list of class names: %s ('%s'). Expected one name per line, the first for "
            "index 0." % (shorten(where), words, shorten(first, 60))
        )


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
