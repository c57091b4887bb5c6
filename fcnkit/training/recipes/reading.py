"""Reads recipes: INI files with a section `[recipe]` and one `[stage NAME]` per stage.

    [recipe]
    title = FCN on a dilated ResNet-50
    network = fcn_resnet_50
    weights = ResNet-50

    [stage sbd]
    data = sbd
    epochs = 50
    base_lr = 0.001

What `[recipe]` says holds for each stage that does not say otherwise.
"""

from __future__ import annotations

import configparser
import dataclasses
import os
from typing import TYPE_CHECKING, Any

from caffeformat import FormatError, InputError
from caffeformat.files import read_bytes

from .keys import KEYS, ROLE, SAME, is_solver_field, parse_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HERE = os.path.dirname(os.path.abspath(__file__))
_SUFFIX = ".ini"
_COMMON, _STAGE = "recipe", "stage "
_MOST_BYTES, _MOST_STAGES = 64 << 10, 20


@dataclasses.dataclass(frozen=True)
class RecipeStage:
    """A stage of a recipe: `texts` as they stand there, `values` what they mean.

    Fields of the solver stay text in `values`, too.
    """

    name: str
    texts: Mapping[str, str]
    values: Mapping[str, Any]

    def solver_fields(self) -> list[tuple[str, str]]:
        """(field, text) of each field of the solver that the stage sets."""
        return [(key, text) for key, text in self.texts.items() if is_solver_field(key)]


@dataclasses.dataclass(frozen=True)
class RecipeFile:
    """A recipe: its name, its file, what it says in common (title, source, weights), its stages."""

    name: str
    path: str
    common: Mapping[str, str]
    stages: Sequence[RecipeStage]

    @property
    def title(self) -> str:
        """The first line about it."""
        return self.common.get("title", self.name)

    @property
    def weights(self) -> str | None:
        """The download that its first stage starts from, None where it starts from nothing."""
        name = self.common.get("weights", "none")
        return None if name == "none" else name

    @property
    def roles(self) -> dict[str, bool]:
        """Role of each dataset -> whether a stage needs it."""
        roles: dict[str, bool] = {}
        for stage in self.stages:
            role = stage.values["data"]
            roles[role] = roles.get(role, False) or not stage.values.get("optional", False)
        return roles


def recipe_names() -> list[str]:
    """Names of the recipes that come with the program, sorted."""
    return sorted(n[: -len(_SUFFIX)] for n in os.listdir(_HERE) if n.endswith(_SUFFIX))


def read_recipe(name: str | os.PathLike[str], changes: Sequence[str] = ()) -> RecipeFile:
    """Read a recipe by its name or, of one's own, by the path of its file.

    `changes` are texts `KEY=VALUE`, for all stages, or `STAGE.KEY=VALUE`, which override the file.
    Raises `InputError` naming file, section and key, what was found and what is expected.
    """
    name = os.fspath(name)
    path = name
    if name in recipe_names():
        path = os.path.join(_HERE, name + _SUFFIX)
    elif not os.path.isfile(name):
        raise InputError(
            f"there is no recipe {name}, and no file of that name; there are "
            f"{', '.join(recipe_names())}"
        )
    sections = _sections(path)
    if _COMMON not in sections:
        raise InputError(f"{path}: has no section [{_COMMON}]")
    common = sections.pop(_COMMON)
    for key, text in common.items():
        _parsed(f"{path}: [{_COMMON}] {key}", key, text)
    names = [_stage_name(path, section) for section in sections]
    if not 0 < len(names) <= _MOST_STAGES:
        raise InputError(
            f"{path}: has {len(names)} sections [stage NAME], expected 1 to {_MOST_STAGES}"
        )
    given = _changes(changes, names)
    stages = []
    for stage, (section, texts) in zip(names, sections.items()):
        for key in texts:
            if key in KEYS and KEYS[key].is_common:
                raise InputError(f"{path}: [{section}] {key}: belongs into [{_COMMON}]")
        stages.append(_stage(path, stage, [common, texts, given[None], given[stage]]))
    base = os.path.splitext(os.path.basename(path))[0]
    about = {key: text for key, text in common.items() if key in KEYS and KEYS[key].is_common}
    return RecipeFile(base, path, about, stages)


def _sections(path: str) -> dict[str, dict[str, str]]:
    """The texts of an INI file: section -> key -> value, in its order."""
    parser = configparser.ConfigParser(
        interpolation=None, default_section="", delimiters=("=",), comment_prefixes=("#", ";")
    )
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(read_bytes(path, _MOST_BYTES).decode("utf-8-sig"), path)
    except UnicodeDecodeError:
        raise FormatError(path, "is not text in UTF-8") from None
    except configparser.DuplicateSectionError as error:
        raise FormatError(path, f"has two sections [{error.section}]", error.lineno) from None
    except configparser.DuplicateOptionError as error:
        problem = f"[{error.section}] sets {error.option} twice"
        raise FormatError(path, problem, error.lineno) from None
    except configparser.MissingSectionHeaderError as error:
        problem = f"expected a section such as [{_COMMON}] first, found {error.line.strip()[:80]!r}"
        raise FormatError(path, problem, error.lineno) from None
    except configparser.ParsingError as error:
        line, text = error.errors[0]
        problem = f"expected KEY = VALUE, found {text.strip()[:80]}"
        raise FormatError(path, problem, line) from None
    except configparser.Error as error:
        raise FormatError(path, str(error)) from None
    return {section: dict(parser[section]) for section in parser.sections()}


def _stage_name(path: str, section: str) -> str:
    name = section[len(_STAGE) :].strip()
    if not section.startswith(_STAGE) or not ROLE.fullmatch(name) or name == "networks":
        raise InputError(
            f"{path}: found a section [{section}], expected [{_COMMON}] or [stage NAME], the name "
            "of letters, digits, _ and -"
        )
    return name


def _changes(changes: Sequence[str], names: Sequence[str]) -> dict[str | None, dict[str, str]]:
    """Stage -> key -> text of `changes`; None stands for all stages."""
    given: dict[str | None, dict[str, str]] = {name: {} for name in (None, *names)}
    for change in changes:
        target, equals, text = change.partition("=")
        stage, dot, key = target.strip().rpartition(".")
        place = f"{{option}}: {target.strip()}"
        if not equals or (dot and stage not in names):
            error = InputError(
                f"{{option}}: expected KEY=VALUE or STAGE.KEY=VALUE, with a stage of "
                f"{', '.join(names)}",
                option="set",
                value=change,
            )
            raise error
        if key in KEYS and KEYS[key].is_common:
            raise InputError("{option}: is not for a stage", option="set", value=change)
        try:
            parse_value(key, text.strip())
        except InputError as error:
            raise InputError(f"{place}: {error}", option="set", value=change) from None
        given[stage if dot else None][key] = text.strip()
    return given


def _stage(path: str, name: str, layers: Sequence[Mapping[str, str]]) -> RecipeStage:
    """A stage from layers of texts, of which later ones override earlier ones."""
    texts: dict[str, str] = {}
    for layer in layers:
        for pair in SAME:
            if sum(key in layer for key in pair) > 1:
                raise InputError(f"{path}: [stage {name}] has {' and '.join(pair)}: expected one")
            if any(key in layer for key in pair):
                texts = {key: text for key, text in texts.items() if key not in pair}
        texts.update(layer)
    texts = {key: text for key, text in texts.items() if key not in KEYS or not KEYS[key].is_common}
    values = {
        key: _parsed(f"{path}: [stage {name}] {key}", key, text) for key, text in texts.items()
    }
    for needed in ("network", "data"):
        if needed not in values:
            raise InputError(
                f"{path}: [stage {name}] has no {needed}, expected {KEYS[needed].expected}"
            )
    return RecipeStage(name, texts, values)


def _parsed(place: str, key: str, text: str) -> Any:
    try:
        return parse_value(key, text)
    except InputError as error:
        raise InputError(f"{place}: {error.text}", options=error.options) from None
