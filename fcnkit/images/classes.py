"""Class names: a text file with one name per line, the first line is class 0."""

from __future__ import annotations

import os

from caffeformat import FormatError, InputError

# PASCAL VOC's 21 classes, as the DIGITS tutorial's file has them.
VOC_CLASSES = os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "pascal-voc-classes.txt"
)

# Index 255 marks ignored pixels.
MAX_CLASSES = 255


def read_class_names(path: str | os.PathLike[str]) -> list[str]:
    """Read the class names in the file `path`; `voc` means VOC's. Blank lines at the end are fine.

    Raises `InputError` if there is no such file, `FormatError` for an empty line, a name that
    occurs twice, no name at all or more than 255.
    """
    path = VOC_CLASSES if path == "voc" else os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read(1 << 20)
    except OSError as error:
        raise InputError(f"{path}: cannot read the class names: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(path, "expected class names as UTF-8 text, one per line") from error
    names = [line.strip() for line in text.rstrip().splitlines()]
    for number, name in enumerate(names, 1):
        if not name:
            raise FormatError(path, "expected a class name, found an empty line", number)
        if name in names[: number - 1]:
            first = names.index(name) + 1
            raise FormatError(path, f"class {name!r} is already on line {first}", number)
    if not 1 <= len(names) <= MAX_CLASSES:
        raise FormatError(path, f"expected 1 to {MAX_CLASSES} class names, found {len(names)}")
    return names


def voc_class_names() -> list[str]:
    """PASCAL VOC's 21 class names, `background` first."""
    return read_class_names(VOC_CLASSES)
