"""Pickles from elsewhere, read as plain data: no class is looked up and no code of theirs runs.

A pickle is a program that may call whatever it names. Here every name gives a class made on the
spot that only keeps what it is handed, except for ordered dictionaries and sets. So the pickled
jobs of a DIGITS server can be read without DIGITS, and a hostile pickle calls nothing.
"""

import collections
import io
import os
import pickle
import struct

from caffeformat import FormatError, InputError
from caffeformat.files import read_bytes

MAX_BYTES = 64 << 20

# What a damaged or hostile pickle makes the unpickler raise.
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
    made it), `state` (a dict: what would have become its attributes).
    """

    class_name = ""

    def __new__(cls, *arguments, **_):
        made = super().__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __init__(self, *_, **__):
        pass

    def __setstate__(self, state):
        # With slots the state is a pair of two dicts.
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                self.state.update(part)

    def get(self, name, default=None):
        """What would have been the attribute `name`."""
        return self.state.get(name, default)

    # Subclasses of list and dict bring their items by these; nobody asks for them here.
    def append(self, _):
        """Leave an item aside."""

    def extend(self, _):
        """Leave items aside."""

    def __setitem__(self, _, __):
        pass


def _reconstructor(cls, *_):
    """Stands in for `copy_reg._reconstructor`, which makes objects in the oldest pickles."""
    if isinstance(cls, type) and issubclass(cls, Record):
        return cls()
    raise pickle.UnpicklingError("an object of a class that was not looked up was expected")


_PLAIN = {
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


# The interpreter's own in C makes room for as many objects as a pickle says that it will number,
# which takes 9 bytes to fill the memory; this one in Python keeps them in a dict.
class PlainUnpickler(pickle._Unpickler):
    """A `pickle.Unpickler` that looks no class up; `load` raises one of `PICKLE_ERRORS`."""

    def find_class(self, module, name):
        """A class that only keeps what it is handed, or a plain container."""
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        return type("Record", (Record,), {"class_name": f"{module}.{name}"})


def read_plain_pickle(path):
    """What the pickle at `path` holds: plain values, and a `Record` for every other object.

    Text of Python 2 is read as UTF-8. Raises `InputError` for files that are missing or larger than
    64 MB, `FormatError` for what is no pickle or wants more than plain data.
    """
    path = os.fspath(path)
    if os.path.isfile(path) and os.path.getsize(path) > MAX_BYTES:
        raise InputError(f"{path}: refused, it is larger than {MAX_BYTES >> 20} MB")
    data = read_bytes(path)
    try:
        return PlainUnpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load()
    except PICKLE_ERRORS as error:
        raise FormatError(path, f"cannot be read as a pickle of plain data: {error}") from error
