"""Parses image sets: text files with the id of one image per line, as VOC and others have them."""

from __future__ import annotations

import codecs
import os
import re
import unicodedata

from caffeformat import FormatError, brief
from fcnkit.images import IMAGE_SUFFIXES

# In VOC's sets of single classes a number follows the id: whether the class is present.
_COLUMN = re.compile(r"(.*\S)\s+-?[01]")


def decode_list(data: bytes) -> str:
    """The text of a list of file names: UTF-8 or UTF-16 with a mark, else UTF-8, else cp1252.

    UTF-16 without a mark is known by its zeros, which no name has.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    if len(data) > 1 and 0 in data[:2] and any(data[:2]):
        return data.decode("utf-16-le" if data[1] == 0 else "utf-16-be", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def set_lines(text: str, source: str) -> list[tuple[str, ...]]:
    """Parse an image set: for each distinct line the ids that it may mean, likeliest first.

    The line as it stands comes first: file names may hold blanks and end in a number. Then come
    the line without quotes, without VOC's column -1, 0 or 1, and without the suffix of an image.
    Folders may be parted as on Windows.
    `source` is what errors call the set. Raises `FormatError` if a line is not a file name or if
    there is no line.
    """
    lines: dict[tuple[str, ...], None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        meanings = tuple(filter(is_id, _meanings(line)))
        if not meanings:
            problem = "is not an image id: expected a name as below the folder of the images"
            raise FormatError(source, f"refused: {brief(line)} {problem}", number)
        lines[meanings] = None
    if not lines:
        raise FormatError(source, "the image set is empty")
    return list(lines)


def image_ids(text: str, source: str) -> list[str]:
    """Parse an image set whose ids hold no blanks; each id is returned once.

    Raises as `set_lines`.
    """
    ids: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _COLUMN.fullmatch(line.strip())
        word = match.group(1) if match else line.strip()
        if word and not (is_id(word) and len(word.split()) == 1):
            raise FormatError(source, f"refused: {word!r} is not an image id", number)
        if word:
            ids[word] = None
    if not ids:
        raise FormatError(source, "the image set is empty")
    return list(ids)


def same_name(name: str) -> str:
    """A key that is equal for names that differ only in how their accents are encoded."""
    return unicodedata.normalize("NFC", name)


def two_columns(text: str) -> list[tuple[str, str]]:
    """The (image, label) paths of a list with two columns, as DeepLab's; [] for any other.

    Columns are separated by a tab, a comma or blanks; every line has to have two.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = []
    for line in lines:
        places = [match.span() for match in re.finditer(r"\t+|\s*[,;]\s*|\s+", line)]
        columns = [(line[:start], line[end:]) for start, end in places]
        both = [pair for pair in columns if all(map(_is_path, pair))]
        if len(both) != 1:
            return []
        found += both
    return found


def _is_path(text: str) -> bool:
    """Whether a column is the path of an image: it has a folder or a suffix of one."""
    text = text.strip('"')
    return os.path.splitext(text)[1].lower() in IMAGE_SUFFIXES


# Tables of classes that annotation tools put beside labels; which kind is told by the content.
TABLES = (
    "labelmap.txt",
    "label_map.txt",
    "label_colors.txt",
    "_classes.csv",
    "class_dict.csv",
    "colors.txt",
)


def is_table(name: str) -> bool:
    """Whether a path is that of a table of classes."""
    if not name.endswith(_TABLE_SUFFIXES):
        return False
    base = name.rpartition("/")[2].lower()
    return base in TABLES or base.endswith(("_classes.csv", "class_dict.csv"))


_TABLE_SUFFIXES = (".txt", ".csv", ".TXT", ".CSV")


def is_litter(name: str) -> bool:
    """Whether a path is what systems and editors leave: macOS's `._x`, hidden files, backups."""
    if "/." in name or name.startswith(".") or "__MACOSX/" in name or "@eaDir/" in name:
        return True
    return name[-11:].lower().endswith(("thumbs.db", "desktop.ini", "~"))


def _meanings(line: str) -> tuple[str, ...]:
    line = line.replace("\\", "/")  # of Windows; no name that is an id holds one
    found = [line[2:] if line.startswith("./") else line]
    match = _COLUMN.fullmatch(found[0])
    if match:
        found.append(match.group(1))
    found += [text[1:-1] for text in found if re.fullmatch(r'"[^"]+"', text)]
    stems = [os.path.splitext(text) for text in found]
    found += [stem for stem, suffix in stems if suffix.lower() in IMAGE_SUFFIXES]
    return tuple(dict.fromkeys(found))


def is_id(text: str) -> bool:
    """Whether `text` is a relative path of file names that are harmless on every system."""
    if "\\" in text or len(text) > 1000 or not all(map(_may_be_in_a_name, text)):
        return False
    return not any(part.startswith(".") or not part.strip() for part in text.split("/"))


def _may_be_in_a_name(character: str) -> bool:
    """Whether a character may be in file names: no controls, but the joiners of Indic and Arabic
    scripts, and blanks of any width."""
    if character.isprintable() or character in "\u200c\u200d":
        return True
    return unicodedata.category(character) == "Zs"
