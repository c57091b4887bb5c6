"""Remembers which nets a runtime has been held against the engine with, and agreed.

The check costs a pass of the engine and the time that the engine takes to load. It is the same for
the same net, weights, runtime and processor, so that the next process need not repeat it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, atomic_write, read_bytes
from fcnkit.files import read_json_object

if TYPE_CHECKING:
    from caffeformat import pb

# The folder for what may be lost; empty for none.
VARIABLE = "FCNKIT_CACHE"
_MOST = 500  # nets that are remembered, the newest
_MOST_BYTES = 1 << 20


class Agreements:
    """The checks that were passed, in a small file of the user's cache folder."""

    def __init__(self) -> None:
        folder = _folder()
        self._path = os.path.join(folder, "runtimes.json") if folder else None

    def find(self, key: str) -> str | None:
        """What was entered for `key`, or None."""
        found = self._read().get(key)
        return found if isinstance(found, str) else None

    def enter(self, key: str, value: str) -> None:
        """Remember `value` for `key`. Where nothing can be written, nothing is remembered."""
        if self._path is None:
            return
        entries = self._read()
        entries.pop(key, None)
        entries[key] = value
        kept = dict(list(entries.items())[-_MOST:])
        with contextlib.suppress(OSError, InputError):
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with atomic_write(self._path) as file:
                file.write(json.dumps(kept, indent=0).encode())

    def _read(self) -> dict[str, Any]:
        if self._path is None or not os.path.isfile(self._path):
            return {}
        try:
            return read_json_object(self._path, _MOST_BYTES)
        except InputError:  # damaged, or too large: as if there were none
            return {}


def key_of(net: pb.NetParameter, weights: str, runtime: str, *settings: object) -> str:
    """A text that changes with everything that a check of `net` in `runtime` depends on.

    `weights` is the path of the caffemodel: its place, size and times stand for its content.
    `settings` are names of blobs and the like.
    """
    file = os.stat(weights)
    facts = [
        net.SerializeToString(deterministic=True).hex(),
        [os.path.realpath(weights), file.st_dev, file.st_ino, file.st_size],
        [file.st_mtime_ns, file.st_ctime_ns],
        [runtime, _version(runtime), _version("onnx"), _version("torch")],
        [os.environ.get("OMP_NUM_THREADS", ""), platform.machine(), _processor(), _own_code()],
        [repr(setting) for setting in settings],
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    """The processor's name and abilities, as far as the system says."""
    with contextlib.suppress(InputError):
        text = read_bytes("/proc/cpuinfo", _MOST_BYTES).decode("utf-8", "replace")
        lines = text.split("\n\n", 1)[0].splitlines()
        return "\n".join(line for line in lines if line.startswith(("model name", "flags")))
    return platform.processor()


def _own_code() -> list[int]:
    """The times of the modules that turn nets into models: an edited one is another."""
    here = os.path.dirname(os.path.abspath(__file__))
    return [
        os.stat(os.path.join(folder, name)).st_mtime_ns
        for folder, _, names in sorted(os.walk(here))
        for name in sorted(names)
        if name.endswith(".py")
    ]


def _folder() -> str | None:
    given = os.environ.get(VARIABLE)
    if given is not None:
        return given or None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "fcnkit") if os.path.isabs(base) else None
