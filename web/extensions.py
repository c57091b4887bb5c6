"""Which DIGITS extensions are installed, found by their entry points."""

import collections
import sys
from importlib import metadata

GROUPS = {"view": "digits.plugins.view", "data": "digits.plugins.data"}

Problem = collections.namedtuple("Problem", "name words")
Problem.__doc__ = """An extension that could not be loaded: its entry point and why."""


class ExtensionError(Exception):
    """An extension failed in what DIGITS asks of it.

    `title` is the extension's, `step` what was asked for; the extension's own exception is the
    cause.
    """

    def __init__(self, title, step, cause):
        super().__init__(f"{title}: {step}: {type(cause).__name__}: {cause}")
        self.title, self.step, self.cause = title, step, cause


class Extensions:
    """The installed extensions.

    Attributes: `views` and `data` (id -> class, sorted by id), `problems` (list of `Problem`).
    An extension that cannot be imported is a problem; the others are there all the same.
    """

    def __init__(self, entry_points=None):
        self.problems = []
        self.views = self._load("view", entry_points)
        self.data = self._load("data", entry_points)

    def _load(self, kind, entry_points):
        """`entry_points` maps a group to its entry points; None asks the installed packages."""
        group = GROUPS[kind]
        points = installed(group) if entry_points is None else entry_points.get(group, ())
        found = {}
        for point in points:
            name = f"{group}: {point.value}"
            # Whatever goes wrong in code from elsewhere, the other extensions are still shown.
            try:
                extension = point.load()
                key, title = str(extension.get_id()), str(extension.get_title())
                shown = extension.get_default_visibility()
                if kind == "data":
                    extension.get_category()  # the menu of every page wants it
            except Exception as error:
                self.problems.append(Problem(name, f"{type(error).__name__}: {error}"))
                continue
            if key in found:
                words = f"its id {key!r} is that of {title_of(found[key])!r} already"
                self.problems.append(Problem(name, words))
            elif shown:
                found[key] = extension
            else:
                self.problems.append(Problem(name, f"{title!r} asks not to be shown by default"))
        return dict(sorted(found.items()))


def installed(group):
    """The entry points of a group, each once, in the order of their names."""
    if sys.version_info >= (3, 10):
        points = metadata.entry_points(group=group)
    else:
        points = metadata.entry_points().get(group, ())
    return sorted(set(points), key=lambda point: (point.value, point.name))


def title_of(extension):
    """The title in the menu."""
    return str(extension.get_title())


class calling:
    """Within the block whatever an extension raises becomes an `ExtensionError`."""

    def __init__(self, extension, step):
        self._extension, self._step = extension, step

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, Exception) and not isinstance(error, ExtensionError):
            raise ExtensionError(title_of(self._extension), self._step, error) from error
