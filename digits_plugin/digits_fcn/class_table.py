"""Tables of classes that annotation tools write: names, and colours or values in the labels.

    _classes.csv      Roboflow: `Pixel Value, Class`
    class_dict.csv    CamVid and Kaggle: `name,r,g,b`
    labelmap.txt      CVAT and Datumaro: `# label:color_rgb:parts:actions`, then `cat:48,112,32::`
    colors.txt        Supervisely: `neutral 224 224 192`, then `cat 48 112 32`; 0 is the background

The content tells the kind, whatever the file is called. Classes are numbered in the order of the
lines, without pixels to ignore, which are called `__ignore__`, `ignore` or, by Supervisely,
`neutral`.
"""

from __future__ import absolute_import, division, unicode_literals

import collections
import re

from .errors import FcnError
from .text import lines, shorten

IGNORE_NAMES = ("__ignore__", "ignore")
NAME_COLUMNS = ("name", "names", "class", "classes", "class_name", "class_names", "label")
COLOUR_COLUMNS = (["r", "g", "b"], ["red", "green", "blue"])
LABELMAP = re.compile(r"([^:]*):\s*(?:(\d+)\s*,\s*(\d+)\s*,\s*(\d+))?\s*:[^:]*:[^:]*$")
COLOURS = re.compile(r"(\S.*?)\s+(\d+)\s+(\d+)\s+(\d+)$")
CELL = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)')

ClassTable = collections.namedtuple(
    "ClassTable",
    # names: of the classes; colours: list of (red, green, blue) of each; ignore: the colour of
    # pixels to ignore, or None; grey: whether the colours are values of grey labels.
    "names colours ignore grey",
)


def parse(text, where):
    """Return the ClassTable in `text`, None if it is a table of no known kind.

    Raises FcnError, naming `where` and the line, for a damaged one.
    """
    rows = [(number, line) for number, line in enumerate(lines(text), 1) if line]
    if not rows:
        return None
    first = rows[0][1]
    header = [cell.lower() for cell in cells(first)]
    if first.startswith("#") and "label:color_rgb" in first.replace(" ", ""):
        body = [row for row in rows if not row[1].startswith("#")]
        return _matched(body, LABELMAP, "label:r,g,b:parts:actions", where)
    if header == ["pixel value", "class"]:
        return _columns(rows[1:], [1, 0, 0, 0], where)._replace(grey=True)
    named = [column for column in NAME_COLUMNS if column in header]
    for colour in COLOUR_COLUMNS:
        if named and set(colour) <= set(header):
            return _columns(rows[1:], [header.index(c) for c in [named[0]] + colour], where)
    if first.split()[0].lower() == "neutral" and COLOURS.match(first):
        body = [(rows[0][0], re.sub(r"(?i)^neutral", IGNORE_NAMES[0], first))] + rows[1:]
        if not any(re.search(r"\s0+\s+0+\s+0+$", line) for _number, line in body):
            # What no object covers stays black and is not listed.
            body.insert(0, (rows[0][0], "background 0 0 0"))
        return _matched(body, COLOURS, "name r g b", where)
    return None


def cells(line):
    """Return the cells of a line of comma-separated values, without blanks and quotes around."""
    found, at = [], 0
    while at <= len(line):
        match = CELL.match(line, at)
        if not match:  # text after a closing quote
            return [cell.strip() for cell in line.split(",")]
        quoted, plain = match.groups()
        found.append(plain.strip() if quoted is None else quoted.replace('""', '"').strip())
        if not match.group(0).endswith(","):
            break
        at = match.end()
    return found


def _matched(rows, pattern, form, where):
    found = []
    for number, line in rows:
        match = pattern.match(line)
        if not match or not match.group(1).strip() or match.group(2) is None:
            raise _wrong(number, where, "expected `%s`, found '%s'" % (form, shorten(line, 60)))
        found.append((number, match.group(1).strip(), list(match.groups()[1:4])))
    return _table(found, where)


def _columns(rows, columns, where):
    found = []
    for number, line in rows:
        row = cells(line)
        if len(row) <= max(columns) or not row[columns[0]]:
            words = "expected a name and its colour or value, found '%s'" % shorten(line, 60)
            raise _wrong(number, where, words)
        found.append((number, row[columns[0]], [row[c] for c in columns[1:]]))
    return _table(found, where)


def _table(rows, where):
    names, colours, ignore = [], [], None
    for number, name, values in rows:
        if not all(re.match("[0-9]{1,3}$", value) and int(value) < 256 for value in values):
            words = "expected values from 0 to 255, found %s" % shorten(", ".join(values))
            raise _wrong(number, where, words)
        colour = tuple(int(value) for value in values)
        if colour in colours or colour == ignore:
            raise _wrong(number, where, "two classes have the value or colour %s" % (colour,))
        if name.lower() in IGNORE_NAMES:
            if ignore is not None:
                raise _wrong(number, where, "expected one class to ignore, found two")
            ignore = colour
            continue
        names.append(name)
        colours.append(colour)
    if not names:
        raise FcnError("%s lists no class; expected at least one." % shorten(where))
    return ClassTable(names, colours, ignore, False)


def _wrong(number, where, words):
    return FcnError("Line %d of %s: %s." % (number, shorten(where), words))
