"""Reads untrusted pickles as plain data: no class is looked up and none of their code runs.

A pickle is a program that may call whatever it names. Here every name resolves to a class made on
the spot that only records what it is given, except for ordered dictionaries and sets. So the
pickled jobs of a DIGITS server can be read without DIGITS, and a hostile pickle calls nothing.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
from typing import Any

from caffeformat import FormatError, InputError, read_bytes

MAX_BYTES = 64 << 20

# The errors that a damaged or hostile pickle makes the unpickler raise.
PICKLE_ERRORS = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class Record:
    """An object of a class that was not looked up.

    Attributes: `class_name` (`module.name` in the pickle), `arguments` (of the call that would have
    made it), `state` (a dict of what would have become its attributes).
    """

    class_name = ""
    arguments: tuple[Any, ...]
    state: dict[Any, Any]

    def __new__(cls, *arguments: Any, **_: Any) -> Record:
        made = super().__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        # With slots the state is a pair of dicts.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)

    def get(self, name: str, default: Any = None) -> Any:
        """Return what would have been the attribute `name`."""
        return self.state.get(name, default)

    # Subclasses of list and dict deliver their items through these; no caller needs them.
    def append(self, _: Any) -> None:
        """Discard an item."""

    def extend(self, _: Any) -> None:
        """Discard items."""

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


def _reconstructor(cls: Any, *_: Any) -> Record:
    """Stand in for `copy_reg._reconstructor`, which makes objects in the oldest pickles."""
    if isinstance(cls, type) and issubclass(cls, Record):
        return cls()
    raise pickle.UnpicklingError("expected an object of a class that was not looked up")


_PLAIN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("__builtin__", "set"): set,
    ("__builtin__", "frozenset"): frozenset,
    ("__builtin__", "object"): object,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "object"): object,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
}


# The C unpickler allocates room for as many memo entries as a pickle claims to have, so that nine
# bytes can fill the memory; this one, in Python, keeps them in a dict.
class PlainUnpickler(pickle._Unpickler):
    """A `pickle.Unpickler` that looks up no class; `load` raises one of `PICKLE_ERRORS`."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a plain container, or a class that only records what it is given."""
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        return type("Record", (Record,), {"class_name": f"{module}.{name}"})


def read_plain_pickle(path: str | os.PathLike[str]) -> Any:
    """Read the pickle at `path`: plain values, and a `Record` for every other object.

    Python 2 strings are read as UTF-8. Raises `InputError` for files that are missing or larger
    than 64 MB, `FormatError` for what is not a pickle or needs more than plain data.
    """
    path = os.fspath(path)
    if os.path.isfile(path) and os.path.getsize(path) > MAX_BYTES:
        raise InputError(f"{path}: refused, it is larger than {MAX_BYTES >> 20} MB")
    data = read_bytes(path)
    try:
        return PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except PICKLE_ERRORS as error:
        raise FormatError(path, f"cannot be read as a pickle of plain data: {error}") from error
