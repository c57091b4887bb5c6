"""What an earlier run left is set aside until the new one has taken a step.

It lies under `before-*` in the output folder, and comes back where the new run ends before that. A
killed process leaves it there; whoever uses the folder next brings it back. A mark in that folder
says what was moved. Renaming the mark is the moment from which on the earlier run is gone: a
process that is killed while it removes or brings back leaves no doubt about which of both it was.
"""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
from typing import TYPE_CHECKING, NamedTuple

from caffeformat import DAMAGE, FormatError, InputError, open_text, reason
from caffeformat.files import TemporaryFolder, locked, take_lock
from fcnkit.files import read_json_object, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    # What lists the files and folders that are a run's own, as far as they are there.
    Own = Callable[[], Iterable[str]]

_MARK = ".set_aside_by_fcnkit"
_REMOVED = ".removed_by_fcnkit"  # what the mark is called once the earlier run is gone for good
_LOSS = ", loss = "  # in the log of a training run that has taken a step


class _Moved(NamedTuple):
    """What a mark records, as paths in the output folder.

    files, folders  what was moved, under the same paths below `before-*`
    stays           what else the earlier run had
    """

    files: list[str]
    folders: list[str]
    stays: list[str]


class Aside:
    """What of an earlier run in a folder is out of the way; `set_aside` makes one.

    Attribute: `is_empty`, whether nothing has been moved yet.
    """

    def __init__(self, output: str, own: Own) -> None:
        self._output, self._own, self._process = output, own, os.getpid()
        self._before = [os.path.relpath(path, output) for path in own()]
        self._folder, self._moved = "", _Moved([], [], [])
        # Where those are that `remove` renames, and those that it removes where they are
        self._kept: dict[str, str] = {}
        self._others: list[str] = []
        self._is_removed = False

    @property
    def is_empty(self) -> bool:
        return not self._folder

    def move(self, paths: Sequence[str], kept: Sequence[str] = ()) -> None:
        """Move `paths`, in the folder, out of the way; those of `kept` come to `<path>.before`.

        Raises `InputError` where one cannot be moved.
        """
        if not paths:
            return
        # Behind a link files may lie on another disk, to which nothing can be renamed.
        inside = [path for path in paths if _lies_in(path, self._output)]
        names = [os.path.relpath(path, self._output) for path in inside]
        are_folders = [os.path.isdir(path) for path in inside]
        files, folders, _ = self._moved
        files = files + [name for name, is_one in zip(names, are_folders) if not is_one]
        folders = folders + [name for name, is_one in zip(names, are_folders) if is_one]
        stays = [name for name in self._before if name not in {*files, *folders}]
        self._moved = _Moved(files, folders, stays)
        if self.is_empty:
            self._folder = _new_folder(self._output, self._moved)
        else:
            write_json(os.path.join(self._folder, _MARK), self._moved._asdict())
        self._others += set(paths).difference(inside, kept)
        for path in kept:
            self._kept[path] = path
        for name, path in zip(names, inside):
            place = os.path.join(self._folder, name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            _rename(path, place)
            if path in self._kept:
                self._kept[path] = place

    def remove(self) -> None:
        """Have the earlier run gone for good; may be called twice."""
        if self.is_empty or self._is_removed or os.getpid() != self._process:
            return
        for path, place in self._kept.items():
            with contextlib.suppress(FileNotFoundError):
                _rename(place, free_name(path))
        with contextlib.suppress(FileNotFoundError):  # somebody has removed it already
            _rename(os.path.join(self._folder, _MARK), os.path.join(self._folder, _REMOVED))
        self._is_removed = True
        _remove(self._folder)
        for path in self._others:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)

    def settle(self) -> None:
        """Bring the earlier run back, unless it is gone for good."""
        if not (self.is_empty or self._is_removed) and os.getpid() == self._process:
            _settle(self._folder, self._output, self._own)


@contextlib.contextmanager
def set_aside(output: str, own: Own = tuple) -> Iterator[Aside]:
    """Yield an `Aside` for what is to be moved out of the way in the folder `output`.

    If the block ends without its `remove` having been called, all comes back and replaces what is
    there by then; what `own` lists and did not list at the beginning is removed, as it is the
    failed run's.

    The caller holds the folder's lock.
    """
    aside = Aside(output, own)
    try:
        yield aside
    finally:
        aside.settle()


def bring_back(output: str, own: Own = tuple) -> bool:
    """Settle what killed processes had set aside in `output`; returns whether anything came back.

    It does, and replaces what is there, unless the new run had taken a step: then it is removed, as
    the killed process would have done. `own` lists what is a run's own in `output`: of that, which
    the killed process wrote, is removed what the earlier run did not have.

    The caller holds the folder's lock. Raises `InputError` where something cannot be moved,
    `FormatError` for a damaged mark.
    """
    returned = [_settle(aside, output, own) for aside in _asides(output)]
    return any(returned)


def settle(output: str, own: Own = tuple) -> bool:
    """`bring_back` for those who hold no lock: not where another process is at work, or may be."""
    return _settle_unlocked(output, _asides(output), own)


def settle_around(path: str, own: Callable[[str], Iterable[str]]) -> bool:
    """`settle` for the folder around `path`, where `path` is of what was set aside there.

    `own` lists what is a run's own in a folder. Does not wait for the folder's lock: whoever trains
    stages holds it, and reads and trains each of them meanwhile.
    """
    output, name = os.path.split(os.path.abspath(path))
    asides = [aside for aside in _asides(output) if name in _names(aside)]
    return _settle_unlocked(output, asides, lambda: own(output), patience=0)


def _names(aside: str) -> list[str]:
    """The names of what was moved to `aside`; none where its mark is damaged."""
    with contextlib.suppress(InputError, OSError):
        moved = _read(aside)
        return moved.files + moved.folders
    return []


def _settle_unlocked(output: str, asides: Sequence[str], own: Own, **waiting: float) -> bool:
    has_returned = False
    for aside in asides:
        with contextlib.suppress(InputError, OSError), locked(output, inside=True, **waiting):
            with open_text(_mark(aside)) as mark:
                # Where the disk has no locks, that process may still be there.
                is_known = take_lock(mark.fileno()) is True
            has_returned |= is_known and _settle(aside, output, own)
    return has_returned


def free_name(path: str) -> str:
    """Return `<path>.before`, or the first such name with a number at which nothing is."""
    name, number = f"{path}.before", 1
    while os.path.lexists(name):
        number += 1
        name = f"{path}.before{number}"
    return name


def _asides(output: str) -> list[str]:
    """The folders in `output` in which something was set aside."""
    found = sorted(glob.glob(os.path.join(glob.escape(output), "before-*")))
    return [aside for aside in found if _is_folder(aside) and os.path.isfile(_mark(aside))]


def _mark(aside: str) -> str:
    """The path of the mark in `aside`, under whichever name it has."""
    removed = os.path.join(aside, _REMOVED)
    return removed if os.path.isfile(removed) else os.path.join(aside, _MARK)


def _new_folder(output: str, moved: _Moved) -> str:
    """Make a marked folder in `output`, which gets its name with the mark in it."""
    aside = os.path.join(output, f"before-{secrets.token_hex(4)}")
    try:
        folder = TemporaryFolder(aside)
        try:
            write_json(os.path.join(folder.path, _MARK), moved._asdict())
            folder.publish()
        finally:
            folder.remove()
    except OSError as error:
        raise InputError(f"{output}: cannot write here: {error.strerror}") from error
    return aside


def _settle(aside: str, output: str, own: Own) -> bool:
    """Move what is in `aside` back or remove it; returns whether anything came back."""
    if os.path.basename(_mark(aside)) == _REMOVED:
        _remove(aside)
        return False
    if not os.path.isfile(_mark(aside)):
        return False
    moved, has_returned = _read(aside), False
    there = [
        name for name in moved.files + moved.folders if os.path.lexists(os.path.join(aside, name))
    ]
    # A stage's own log says whether another has begun in its place: then all of them are to go, as
    # none of the new run may be taken for done.
    stages = [name for name in there if name in moved.folders]
    if any(_has_stepped(os.path.join(output, name)) for name in stages):
        there = []
    for name in there:
        old, place = os.path.join(aside, name), os.path.join(output, name)
        if not _lies_in(place, output):
            raise _damaged(aside, f"names {name}, which a link leads out of {output}")
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if _is_folder(place):
            shutil.rmtree(place)
        _rename(old, place)
        has_returned = True
    if moved.files:
        theirs = {os.path.join(output, name) for names in moved for name in names}
        for path in set(own()) - theirs:
            if _is_folder(path):
                shutil.rmtree(path)
                continue
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
    with contextlib.suppress(FileNotFoundError):
        _rename(os.path.join(aside, _MARK), os.path.join(aside, _REMOVED))
    _remove(aside)
    return has_returned


def _read(aside: str) -> _Moved:
    """What was moved to `aside`."""
    path = _mark(aside)
    if not os.path.getsize(path):  # of an earlier version: folders of stages, by their names
        return _Moved([], sorted(set(os.listdir(aside)) - {_MARK}), [])
    try:
        record = read_json_object(path)
        moved = _Moved(*([str(name) for name in record[field]] for field in _Moved._fields))
    except FormatError as error:
        raise _damaged(aside, error.problem) from error
    except DAMAGE as error:
        raise _damaged(aside, f"is damaged ({reason(error)})") from error
    for name in moved.files + moved.folders:
        if os.path.isabs(name) or "\0" in name or {"", os.curdir, os.pardir} & _parts(name):
            raise _damaged(aside, f"names {name!r}, which is no path in the folder")
    return moved


def _parts(name: str) -> set[str]:
    return set(name.split(os.sep))


def _damaged(aside: str, what: str) -> FormatError:
    return FormatError(
        os.path.join(aside, _MARK),
        f"{what}: move what you want to keep out of {aside}, then remove that folder",
    )


def _remove(aside: str) -> None:
    """Remove the folder `aside`, its mark last, so that it is known whenever that is cut short."""
    with contextlib.suppress(OSError):
        for name in set(os.listdir(aside)) - {_MARK, _REMOVED}:
            path = os.path.join(aside, name)
            if _is_folder(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.remove(path)
        if os.listdir(aside) == [_REMOVED]:
            os.remove(os.path.join(aside, _REMOVED))
            os.rmdir(aside)


def _has_stepped(folder: str) -> bool:
    """Whether the stage in `folder` has taken a step."""
    try:
        with open_text(os.path.join(folder, "train.log"), errors="replace") as log:
            return any(_LOSS in line for line in log)
    except InputError:
        return False


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _lies_in(path: str, output: str) -> bool:
    """Whether `path` lies below `output` without a link between them."""
    real, folder = os.path.realpath(output), os.path.dirname(os.path.relpath(path, output))
    return os.path.realpath(os.path.join(real, folder)) == os.path.normpath(
        os.path.join(real, folder)
    )


def _rename(path: str, place: str) -> None:
    try:
        os.replace(path, place)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(
            f"{path}: cannot be moved to {place}: {error.strerror}: see to it that files can be "
            "renamed there, or choose another output folder"
        ) from error
