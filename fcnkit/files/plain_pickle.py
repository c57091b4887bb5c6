"""Reads untrusted pickles as plain data: no class is looked up and none of their code runs.

A pickle is a program that may call whatever it names. Here every name resolves to a class made on
the spot that only records what it is given, except for ordered dictionaries and sets. So the
pickled jobs of a DIGITS server can be read without DIGITS, and a hostile pickle calls nothing.

Nor can it ask for much work: the operations of a pickle are counted, together with the elements
that they copy, and a key of a dict or set is a plain value or a small tuple of such. A few bytes of
nested tuples, each of which names the one before twice, would otherwise be hashed for ever.
"""

from __future__ import annotations

import collections
import io
import os
import pickle
from typing import IO, TYPE_CHECKING, Any

from caffeformat import DAMAGE, FormatError, InputError, read_bytes, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_BYTES = 64 << 20

# What a damaged or hostile pickle makes the unpickler raise.
PICKLE_ERRORS: tuple[type[Exception], ...] = (pickle.UnpicklingError, *DAMAGE)

# Operations and copied elements. The largest checkpoints and the jobs of long training runs need a
# tenth of them; to use them up takes seconds and some hundred megabytes.
_MOST_WORK = 2_000_000
_MOST_NAMES = 10_000  # classes and functions
# A key may be a tuple, of so many values in all its levels. Hashes of tuples can be made to be the
# same, and then each is compared with all others, so there may not be many.
_MOST_IN_KEY, _MOST_TUPLE_KEYS = 100, 5_000
_MOST_KEY_BITS = 64  # Python hashes numbers modulo 2**61 - 1: larger ones can be made to collide
_MOST_DIGITS = 1_000  # characters of a number as text: reading it takes their square
_MOST_OPEN = 100_000  # values on the stacks, and so levels of lists that are not finished


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


def _limited(data: IO[bytes]) -> _Limited:
    return data if isinstance(data, _Limited) else _Limited(data)


class _Limited:
    """A file of which no more than `MAX_BYTES` are read, and never more than it has."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MAX_BYTES

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes."""
        if not 0 <= size <= self._left:
            raise pickle.UnpicklingError(f"it claims {size} bytes, which it cannot have")
        self._left -= size
        return self._file.read(size)

    def readline(self) -> bytes:
        """Read up to the end of the line."""
        line = self._file.readline(self._left + 1)
        self._left -= len(line)
        if self._left < 0:
            raise pickle.UnpicklingError(f"it has more than {MAX_BYTES >> 20} MB")
        return line


_HASHING: tuple[Any, ...] = (set, frozenset, collections.OrderedDict)


# The C unpickler allocates room for as many memo entries as a pickle claims to have, so that nine
# bytes can fill the memory; this one, in Python, keeps them in a dict.
class PlainUnpickler(pickle._Unpickler):
    """A `pickle.Unpickler` that looks up no class; `load` raises one of `PICKLE_ERRORS`."""

    # Python's own attributes, which its types leave out.
    stack: list[Any]
    metastack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]

    def __init__(self, file: IO[bytes], encoding: str = "utf-8", errors: str = "replace") -> None:
        """Read from `file`; `encoding` and `errors` are for the strings of Python 2."""
        super().__init__(_limited(file), encoding=encoding, errors=errors)
        self._work = self._tuple_keys = 0
        self._records: dict[tuple[str, str], type[Record]] = {}
        self.dispatch = _Counting(self)  # type: ignore[assignment, misc]

    def find_class(self, module: str, name: str) -> Any:
        """Return a plain container, or a class that only records what it is given."""
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if (module, name) not in self._records:
            if len(self._records) >= _MOST_NAMES:
                raise pickle.UnpicklingError(f"it names more than {_MOST_NAMES} classes")
            made = type("Record", (Record,), {"class_name": f"{module}.{name}"})
            self._records[module, name] = made
        return self._records[module, name]

    def count(self, work: int) -> None:
        """Count operations; raises UnpicklingError where they are too many."""
        self._work += work
        if self._work > _MOST_WORK:
            raise pickle.UnpicklingError(
                f"it takes more than {_MOST_WORK} operations, more than any file of plain data"
            )

    def check_keys(self, keys: Iterable[Any]) -> None:
        """Raise UnpicklingError for keys whose hash could take long, or take others' place."""
        for key in keys:
            if isinstance(key, (str, bytes, float, bool)) or key is None:
                continue
            if isinstance(key, int):
                if key.bit_length() > _MOST_KEY_BITS:
                    raise pickle.UnpicklingError(
                        f"a key is a number of {key.bit_length()} bits, more than {_MOST_KEY_BITS}"
                    )
            elif isinstance(key, (tuple, frozenset)):
                self._check_tuple(key)

    def _check_tuple(self, key: Any) -> None:
        self._tuple_keys += 1
        waiting, seen = [key], 0
        while waiting:
            values = waiting.pop()
            seen += len(values)
            if seen > _MOST_IN_KEY or self._tuple_keys > _MOST_TUPLE_KEYS:
                raise pickle.UnpicklingError(
                    f"a key has more than {_MOST_IN_KEY} values in it, or more than "
                    f"{_MOST_TUPLE_KEYS} keys are tuples"
                )
            nested = [value for value in values if isinstance(value, (tuple, frozenset))]
            self.check_keys(value for value in values if not isinstance(value, (tuple, frozenset)))
            waiting += nested

    def check_call(self, arguments: Any, function: Any = set) -> None:
        """Count what a call of `function` copies, and check what it would hash."""
        parts = list(arguments.values()) if isinstance(arguments, dict) else list(arguments)
        self.count(len(parts))
        for part in parts:
            if isinstance(part, (tuple, list, set, frozenset, dict, str, bytes, bytearray)):
                self.count(len(part))
            if isinstance(part, (tuple, list)) and function in _HASHING:
                self.check_keys(part)
                pairs = (pair for pair in part if isinstance(pair, (tuple, list)) and pair)
                self.check_keys(pair[0] for pair in pairs)

    def open_values(self) -> int:
        """How many values are on the stacks."""
        return len(self.stack) + len(self.metastack)


class _Counting:
    """The operations of an unpickler: what each does, counted, after its operands are checked."""

    def __init__(self, unpickler: PlainUnpickler) -> None:
        self._unpickler = unpickler

    def __getitem__(self, code: int) -> Any:
        unpickler = self._unpickler
        unpickler.count(_WEIGHTS.get(code, 1))
        check = _CHECKS.get(code)
        if check is not None:
            check(unpickler)
        if unpickler.open_values() > _MOST_OPEN and code not in _CLOSING:
            raise pickle.UnpicklingError(f"more than {_MOST_OPEN} values are begun and not ended")
        return _OPERATIONS[code]


def _check_item(unpickler: PlainUnpickler) -> None:
    unpickler.check_keys(unpickler.stack[-2:-1])


def _check_items(unpickler: PlainUnpickler) -> None:
    unpickler.check_keys(unpickler.stack[::2])


def _check_elements(unpickler: PlainUnpickler) -> None:
    unpickler.check_keys(unpickler.stack)


def _check_call(unpickler: PlainUnpickler) -> None:
    unpickler.check_call(unpickler.stack[-1], unpickler.stack[-2])


def _check_instance(unpickler: PlainUnpickler) -> None:
    unpickler.check_call(unpickler.stack)  # from the last mark on


def _check_named_call(unpickler: PlainUnpickler) -> None:
    unpickler.check_call(unpickler.stack[-1])
    unpickler.check_call(unpickler.stack[-2], unpickler.stack[-3])


def _check_state(unpickler: PlainUnpickler) -> None:
    state, made = unpickler.stack[-1], unpickler.stack[-2]
    if not isinstance(made, (Record, collections.OrderedDict, set)):
        raise pickle.UnpicklingError(f"it sets the state of a {type(made).__name__}")
    unpickler.check_call(state if isinstance(state, tuple) else (state,), type(made))


def _read_byte_array(unpickler: PlainUnpickler) -> None:
    # Python's own operation fills the size that is claimed with zeros before it reads.
    size = int.from_bytes(unpickler.read(8), "little")
    unpickler.append(bytearray(unpickler.read(size)))


def _on_line(operation: Any) -> Any:
    """`operation`, which reads a number from a line of text, for lines of a sane length."""

    def limited(unpickler: PlainUnpickler) -> None:
        line = unpickler.readline()
        if len(line) > _MOST_DIGITS:
            raise pickle.UnpicklingError(f"a number of more than {_MOST_DIGITS} digits")
        readline, unpickler.readline = unpickler.readline, lambda: line
        try:
            operation(unpickler)
        finally:
            unpickler.readline = readline

    return limited


_OPERATIONS: dict[int, Any] = dict(pickle._Unpickler.dispatch)
for _code in (pickle.INT, pickle.LONG, pickle.FLOAT, pickle.GET, pickle.PUT):
    _OPERATIONS[_code[0]] = _on_line(_OPERATIONS[_code[0]])
_OPERATIONS[pickle.BYTEARRAY8[0]] = _read_byte_array
_CHECKS = {
    pickle.SETITEM[0]: _check_item,
    pickle.SETITEMS[0]: _check_items,
    pickle.DICT[0]: _check_items,
    pickle.ADDITEMS[0]: _check_elements,
    pickle.FROZENSET[0]: _check_elements,
    pickle.REDUCE[0]: _check_call,
    pickle.NEWOBJ[0]: _check_call,
    pickle.NEWOBJ_EX[0]: _check_named_call,
    pickle.INST[0]: _check_instance,
    pickle.OBJ[0]: _check_instance,
    pickle.BUILD[0]: _check_state,
}
# What makes an object of several hundred bytes
_WEIGHTS = {code[0]: 4 for code in (pickle.EMPTY_SET, pickle.MARK, pickle.OBJ, pickle.INST)}
_WEIGHTS |= {code[0]: 8 for code in (pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX)}
# Operations that take values off the stacks
_CLOSING = frozenset(
    code[0]
    for code in (
        pickle.APPEND, pickle.APPENDS, pickle.SETITEM, pickle.SETITEMS, pickle.ADDITEMS,
        pickle.LIST, pickle.DICT, pickle.TUPLE, pickle.FROZENSET, pickle.POP, pickle.POP_MARK,
        pickle.STOP,
    )
)  # fmt: skip


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
        return PlainUnpickler(io.BytesIO(data)).load()
    except PICKLE_ERRORS as error:
        raise FormatError(
            path, f"cannot be read as a pickle of plain data: {reason(error)}"
        ) from error
