"""The installed DIGITS extensions, found by their entry points."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Protocol

    from .datasets import Dataset
    from .digits_stand_in.data_interface import DataIngestionInterface
    from .digits_stand_in.view_interface import VisualizationInterface

    class Extension(Protocol):
        """The class of an extension. Its forms are Flask-WTF's, which has no types."""

        def get_id(self) -> str: ...
        def get_title(self) -> str: ...
        def get_default_visibility(self) -> bool: ...

    class ViewExtension(Extension, Protocol):
        """The class of a visualization."""

        def __call__(self, dataset: Dataset, **options: Any) -> VisualizationInterface: ...
        def get_config_form(self) -> Any: ...
        def get_config_template(self, form: Any) -> tuple[str, dict[str, Any]]: ...

    class DataExtension(Extension, Protocol):
        """The class of a data extension."""

        def __call__(self, **userdata: Any) -> DataIngestionInterface: ...
        def get_category(self) -> str: ...
        def get_dataset_form(self) -> Any: ...
        def get_dataset_template(self, form: Any) -> tuple[str, dict[str, Any]]: ...
        def get_inference_template(self, form: Any) -> tuple[str | None, dict[str, Any] | None]: ...


GROUPS = {"view": "digits.plugins.view", "data": "digits.plugins.data"}


class Problem(NamedTuple):
    """An extension that could not be loaded."""

    name: str  # its entry point
    words: str  # the reason


class ExtensionError(Exception):
    """An extension failed at something DIGITS would ask of it.

    `title` is the extension's, `step` what it was asked for; `cause` is its own exception.
    """

    def __init__(self, title: str, step: str, cause: BaseException) -> None:
        super().__init__(f"{title}: {step}: {type(cause).__name__}: {cause}")
        self.title, self.step, self.cause = title, step, cause


class Extensions:
    """The installed extensions.

    Attributes: `views` and `data` (id -> class, sorted by id), `problems` (list of `Problem`).
    An extension that cannot be imported becomes a problem and does not affect the others.
    """

    def __init__(
        self, entry_points: Mapping[str, Iterable[metadata.EntryPoint]] | None = None
    ) -> None:
        self.problems: list[Problem] = []
        self.views: dict[str, ViewExtension] = self._load("view", entry_points)
        self.data: dict[str, DataExtension] = self._load("data", entry_points)

    def _load(
        self, kind: str, entry_points: Mapping[str, Iterable[metadata.EntryPoint]] | None
    ) -> dict[str, Any]:
        """`entry_points` maps a group to its entry points; None asks the installed packages."""
        group = GROUPS[kind]
        points = installed(group) if entry_points is None else entry_points.get(group, ())
        found: dict[str, Any] = {}
        for point in points:
            name = f"{group}: {point.value}"
            # Whatever fails in code from elsewhere, the other extensions are still shown.
            try:
                extension = point.load()
                key, title = str(extension.get_id()), str(extension.get_title())
                shown = extension.get_default_visibility()
                if kind == "data":
                    extension.get_category()  # the menu of every page needs it
            except Exception as error:
                self.problems.append(Problem(name, f"{type(error).__name__}: {error}"))
                continue
            if key in found:
                words = f"its id {key!r} is already that of {title_of(found[key])!r}"
                self.problems.append(Problem(name, words))
            elif shown:
                found[key] = extension
            else:
                self.problems.append(Problem(name, f"{title!r} asks not to be shown by default"))
        return dict(sorted(found.items()))


def installed(group: str) -> list[metadata.EntryPoint]:
    """Return the entry points of a group without repeats, sorted by value and name."""
    points: Iterable[metadata.EntryPoint]
    if sys.version_info >= (3, 10):
        points = metadata.entry_points(group=group)
    else:
        points = metadata.entry_points().get(group, ())
    return sorted(set(points), key=lambda point: (point.value, point.name))


def title_of(extension: Extension) -> str:
    """Return the title shown in the menu."""
    return str(extension.get_title())


class Calling:
    """Turns whatever an extension raises inside the block into an `ExtensionError`."""

    def __init__(self, extension: Extension, step: str) -> None:
        self._extension, self._step = extension, step

    def __enter__(self) -> Calling:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, ExtensionError):
            raise ExtensionError(title_of(self._extension), self._step, error) from error
