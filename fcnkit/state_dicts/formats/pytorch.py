"""Reads PyTorch's files: a pickle that describes tensors, and their values beside it.

`torch.save` writes a zip (`<root>/data.pkl`, `<root>/data/<key>`) since release 1.6; before that it
wrote five pickles followed by the values, as in torchvision's older weights. The pickles are read
by `plain_pickle`: the names in them are not looked up, so no code runs.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caffeformat import FormatError, brief, reading, reason
from caffeformat.files import open_file
from fcnkit.files import MAX_BYTES, PICKLE_ERRORS, PlainUnpickler, Record

from .values import BFLOAT16, item_size, widened

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2",
    "BFloat16Storage": BFLOAT16, "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip

# Keys under which training scripts store the state dict among other things.
_HOLDERS = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema")

# More than any tensor has: axes, and values of a storage.
_MOST_AXES, _MOST_VALUES = 64, 1 << 62


class _Storage(NamedTuple):
    """Values that tensors refer to."""

    dtype: str
    key: str
    length: int


def read_zip(path: str | os.PathLike[str]) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of a file in the zip format."""
    path = os.fspath(path)
    whole = reading(path, "the file is truncated or damaged")
    with whole, open_file(path) as file, zipfile.ZipFile(file) as archive:
        return _read_archive(archive, path)


def _read_archive(archive: zipfile.ZipFile, path: str) -> OrderedDict[str, NDArray[Any]]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if members.setdefault(info.filename, info) is not info:
            raise FormatError(
                path, f"holds {brief(info.filename)} twice: damaged, or not written by torch.save"
            )
    roots = [name[: -len("data.pkl")] for name in members if name.endswith("data.pkl")]
    if len(roots) != 1:
        raise FormatError(
            path, "a zip archive, but not one written by torch.save: it lacks data.pkl"
        )
    root = roots[0]
    if f"{root}constants.pkl" in members:
        raise FormatError(
            path, "a TorchScript program: load it in PyTorch and save its state_dict()"
        )
    order = members.get(f"{root}byteorder")
    if order is not None and order.file_size < 16 and archive.read(order) != b"little":
        raise FormatError(path, "written on a big-endian machine, which is not supported")
    if members[f"{root}data.pkl"].file_size > MAX_BYTES:
        raise FormatError(path, f"refused: its pickle is larger than {MAX_BYTES >> 20} MB")

    found = _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load_from(path)
    storages: dict[str, NDArray[Any]] = {}

    def values(storage: _Storage) -> NDArray[Any]:
        if storage.key not in storages:
            info = members.get(f"{root}data/{storage.key}")
            size = storage.length * item_size(storage.dtype)
            # torch.save never compresses; compressed data could unpack to any size.
            if info is None or info.file_size != size or info.compress_type != zipfile.ZIP_STORED:
                raise FormatError(
                    path, f"data/{storage.key} is not there with {size} bytes as stored"
                )
            storages[storage.key] = _numbers(archive.read(info), storage.dtype)
        return storages[storage.key]

    return _tensors(found, values, path)


def read_legacy(path: str | os.PathLike[str]) -> OrderedDict[str, NDArray[Any]]:
    """Read the tensors of a file in the format before PyTorch 1.6."""
    path = os.fspath(path)
    with reading(path, "the file is truncated or damaged"), open_file(path) as file:
        if _Unpickler(file).load_from(path) != _LEGACY_MAGIC:
            raise FormatError(
                path, "a pickle, but not one written by torch.save, the only ones that are read"
            )
        version, _, found = (_Unpickler(file).load_from(path) for _ in range(3))
        if version != 1001:
            raise FormatError(path, f"torch.save's format {brief(version)}; expected 1001")
        wanted: dict[str, _Storage] = {}
        storages: dict[str, NDArray[Any]] = {}
        for tensor in _named_records(found, path).values():
            storage = _storage_of(tensor)
            if storage is not None:
                wanted[storage.key] = storage
        keys = _Unpickler(file).load_from(path)
        for key in keys if isinstance(keys, list) else ():
            storage = wanted.get(key) if isinstance(key, str) else None
            count = int.from_bytes(file.read(8), "little")
            if storage is None or count != storage.length:
                raise FormatError(
                    path, f"the values {brief(key)} are not those that its tensors refer to"
                )
            size = count * item_size(storage.dtype)
            if size > os.path.getsize(path) - file.tell():
                raise FormatError(path, "the file is truncated: fetch it again")
            storages[key] = _numbers(file.read(size), storage.dtype)
    missing = sorted(set(wanted) - set(storages))
    if missing:
        raise FormatError(path, f"the values {brief(missing[0])} are missing: the file is damaged")
    return _tensors(found, lambda storage: storages[storage.key], path)


class _Unpickler(PlainUnpickler):
    def persistent_load(self, identity: Any) -> Any:
        """A storage: ('storage', its class, key, device, number of values[, view])."""
        if not isinstance(identity, tuple) or not 2 <= len(identity) <= 8:
            raise pickle.UnpicklingError(f"unknown storage: {brief(identity)}")
        if identity[0] == "module":
            return identity[1]  # a class of a whole model, followed by its source text
        kind, cls, key, _, count, *view = identity
        dtype = _TYPES.get(cls.class_name.rpartition(".")[2])
        if kind != "storage" or dtype is None or any(part is not None for part in view):
            raise pickle.UnpicklingError(f"unknown storage: {cls.class_name}")
        if not isinstance(key, str) or type(count) is not int:
            raise pickle.UnpicklingError("a storage without key or size")
        if not 0 <= count < _MOST_VALUES:
            raise pickle.UnpicklingError("a storage of an impossible size")
        return _Storage(dtype, key, count)

    def load_from(self, path: str) -> Any:
        """Load the pickle; raises `FormatError` where it cannot be read."""
        try:
            return self.load()
        except PICKLE_ERRORS as error:
            raise FormatError(path, f"its pickle cannot be read: {reason(error)}") from error


def _numbers(data: bytes, dtype: str) -> NDArray[Any]:
    if dtype == BFLOAT16:
        return widened(np.frombuffer(data, "<u2"))
    return np.frombuffer(data, dtype)


def _tensors(
    found: Any, values: Callable[[_Storage], NDArray[Any]], path: str
) -> OrderedDict[str, NDArray[Any]]:
    """name -> array from an unpickled object; `values(storage)` returns a storage's flat array."""
    tensors: OrderedDict[str, NDArray[Any]] = OrderedDict()
    for name, record in _named_records(found, path).items():
        arguments = _plain(record).arguments
        storage, offset, shape, strides = arguments[:4]
        tensors[name] = _view(values(storage), offset, shape, strides, name, path)
    return tensors


def _named_records(found: Any, path: str) -> OrderedDict[str, Record]:
    """name -> tensor's Record, from the dict or from the dict in it that holds tensors."""
    if isinstance(found, Record):
        raise FormatError(
            path,
            f"holds a whole model ({found.class_name}), which is code: load it in PyTorch and "
            "save its state_dict()",
        )
    if not isinstance(found, dict):
        raise FormatError(path, f"holds a {type(found).__name__}; expected named tensors")
    for holder in _HOLDERS:
        if isinstance(found.get(holder), dict):
            found = found[holder]
            break
    named = OrderedDict(
        (name, value)
        for name, value in found.items()
        if isinstance(name, str) and _storage_of(value) is not None
    )
    if not named:
        what = ", ".join(map(brief, list(found)[:5])) or "an empty dict"
        raise FormatError(path, f"there are no tensors in it, only {what}")
    return named


def _plain(record: Record) -> Any:
    """The tensor of a Parameter, or the tensor itself."""
    if record.class_name.endswith("._rebuild_parameter") and record.arguments:
        return record.arguments[0]
    return record


def _storage_of(record: Any) -> _Storage | None:
    """The storage of a tensor's Record; None for anything else."""
    if not isinstance(record, Record):
        return None
    record = _plain(record)
    if not isinstance(record, Record) or not record.class_name.startswith("torch._utils._rebuild_"):
        return None
    arguments = record.arguments
    return arguments[0] if len(arguments) >= 4 and isinstance(arguments[0], _Storage) else None


def _view(
    values: NDArray[Any], offset: Any, shape: Any, strides: Any, name: str, path: str
) -> NDArray[Any]:
    """A tensor's array, from its position in a storage, which is checked against the values."""
    sane = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
    numbers = (offset, *shape, *strides) if sane else ()
    sane = sane and all(type(n) is int and n >= 0 for n in numbers)
    if sane and (len(shape) > _MOST_AXES or max(numbers) >= _MOST_VALUES):
        raise FormatError(path, f"tensor {brief(name)} cannot be of shape {brief(shape)}")
    count = math.prod(shape) if sane else -1
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides)) if sane else 0
    if not 0 <= count <= values.size or (count and last >= values.size):
        raise FormatError(path, f"tensor {brief(name)} lies outside its values: damaged")
    steps = [stride * values.itemsize for stride in strides]
    try:
        return np.lib.stride_tricks.as_strided(values[offset:], shape, steps, writeable=False)
    except (ValueError, OverflowError) as error:  # more or longer axes than NumPy supports
        raise FormatError(
            path, f"tensor {brief(name)} cannot be of shape {shape}: {reason(error)}"
        ) from error
