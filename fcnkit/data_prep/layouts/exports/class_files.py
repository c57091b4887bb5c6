"""Finds the class names and colours that lie beside labels."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import FormatError
from fcnkit.images import ClassTable, class_table, names_in, yaml_names

from ..image_sets import TABLES, is_table

if TYPE_CHECKING:
    from .catalogue import Catalogue, File
    from .plan import DataOptions

# Lists of names that tools put beside labels, likeliest first.
_MOST_YAML = 1 << 20
_NAMES = (
    "class_names.txt",
    "classes.txt",
    "labels.txt",
    "obj.names",
    "names.txt",
    "categories.txt",
    "codes.txt",
    "category_id.txt",
    *TABLES,
    "classes.json",
    "dataset_meta.json",
    "id2label.json",
    "label2id.json",
)

_NNUNETS_KEYS = {"labels", "numTraining"}

# Other names that tables of classes and colours may have; what else is called so is not read.
_OTHER_TABLES = re.compile(r"(?:.*/)?[^/]*(?:class|label|colou?r|palette|categor)[^/]*\.csv", re.I)


class Classes(NamedTuple):
    """What a source says of its classes.

    `file` is what errors call their origin; each other field is None if unknown.
    """

    file: str | None
    names: list[str] | None
    table: ClassTable | None = None


def find_classes(catalogue: Catalogue, options: DataOptions, below: str = "") -> Classes:
    """The classes that the options name, or else a table or list of names in the source.

    `below` is the folder that labels are in; files beside it and above count, others do not.
    Raises `FormatError` if two tables disagree or one is damaged.
    """
    names = list(options.classes) if options.classes is not None else None
    if options.colours is not None:
        return Classes("the colour map", names)
    found: ClassTable | None = None
    where: File | None = None
    lists: list[File] = []
    files = [f for f in catalogue.named(_may_hold_classes) if _is_above(f.folder, below)]
    for file in sorted(files, key=lambda file: not is_table(file.name)):
        is_known = is_table(file.name)
        try:
            table = class_table(catalogue.text(file), str(file))
        except FormatError:
            if is_known:
                raise
            continue
        if table is None or not table.colours:
            if file.name.rpartition("/")[2].lower() in _NAMES:
                lists.append(file)
        elif found is None:
            found, where = table, file
        elif is_known and table != found:
            raise FormatError(
                str(file),
                f"lists other classes than {where}: pass {{classes}} and {{colours}}",
                options={"classes": None, "colours": None},
            )
    if found is not None:
        table = found if names is None else _with_names(found, names, str(where))
        return Classes(str(where), table.names, table)
    if names is None and not lists:
        return _yaml_classes(catalogue) or _nnunets_classes(catalogue) or Classes(None, None)
    if names is not None:
        return Classes(None, names)
    lists.sort(key=lambda file: _NAMES.index(file.name.rpartition("/")[2].lower()))
    chosen = lists[0]
    listed = names_in(catalogue.text(chosen), str(chosen))
    for file in lists[1:]:
        alike = file.name.rpartition("/")[2].lower() == chosen.name.rpartition("/")[2].lower()
        if alike and names_in(catalogue.text(file), str(file)) != listed:
            raise FormatError(
                str(file),
                f"lists other classes than {chosen}: pass {{classes}}",
                options={"classes": None},
            )
    return Classes(str(chosen), listed)


def _with_names(table: ClassTable, names: list[str], where: str) -> ClassTable:
    """`table` with the classes in the order of `names`, or called so where they have other names.

    Raises `FormatError` for names of which only some are the table's, in another place.
    """
    if set(names) == set(table.names) and len(names) == len(table.names):
        order = [table.names.index(name) for name in names]
        place = {old: new for new, old in enumerate(order)}
        return ClassTable(
            names,
            [table.colours[old] for old in order],
            table.ignore,
            None if table.values is None else [table.values[old] for old in order],
            tuple(place.get(index, index) for index in table.lines),
        )
    moved = [name for name in names if name in table.names]
    same = [name for name, own in zip(names, table.names) if name == own]
    if len(names) != len(table.names) or moved != same:
        raise FormatError(
            where,
            f"lists the classes {', '.join(table.names)}, and the class names are "
            f"{', '.join(names)}: pass the same names in any order, or other names for all of "
            "them, with {classes}",
            options={"classes": None},
        )
    return table._replace(names=names)


def _nnunets_classes(catalogue: Catalogue) -> Classes | None:
    """The names in nnU-Net's dataset.json; None without one, and for one of regions."""
    for file, keys in catalogue.json_keys.items():
        if file.name.rpartition("/")[2] == "dataset.json" and _NNUNETS_KEYS.issubset(keys):
            with contextlib.suppress(FormatError):
                return Classes(str(file), names_in(catalogue.text(file), str(file)))
    return None


def _yaml_classes(catalogue: Catalogue) -> Classes | None:
    """The names in a dataset's YAML file, as Ultralytics has them; None without one."""
    for file in catalogue.named(re.compile(r"(?:[^/]*/)?[^/]+\.ya?ml").fullmatch):
        names = yaml_names(catalogue.text(file)) if file.size <= _MOST_YAML else None
        if names:
            return Classes(str(file), names)
    return None


def _may_hold_classes(name: str) -> bool:
    if is_table(name) or name.rpartition("/")[2].lower() in _NAMES:
        return True
    return _OTHER_TABLES.fullmatch(name) is not None


def _is_above(folder: str, below: str) -> bool:
    """Whether a table in `folder` may speak of labels in `below` or of its sets."""
    return (
        not folder
        or not below
        or f"{below}/".startswith(f"{folder}/")
        or folder.startswith(f"{below}/")
    )
