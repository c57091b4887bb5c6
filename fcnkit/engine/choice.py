"""Chooses the engine: BVLC Caffe or torchcaffe, both with pycaffe's API.

`load()` returns BVLC Caffe where `import caffe` finds it, and torchcaffe otherwise; the environment
variable `FCNKIT_ENGINE=bvlc|torch` overrides the choice. Whatever pycaffe can express (nets,
solvers, blobs) is written against pycaffe and runs on both.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from caffeformat import InputError

if TYPE_CHECKING:
    from types import ModuleType

VARIABLE = "FCNKIT_ENGINE"
_MODULES = {"bvlc": "caffe", "torch": "torchcaffe"}

_CAPABILITIES: dict[str, frozenset[str]] = {
    "bvlc": frozenset(),
    "torch": frozenset({"lean_forward"}),
}


def name() -> str:
    """The engine that `load` returns: `"bvlc"` or `"torch"`.

    Raises `InputError` where the environment variable names neither.
    """
    chosen = os.environ.get(VARIABLE, "")
    if chosen in _MODULES:
        return chosen
    if chosen:
        raise InputError(f"{VARIABLE} is {chosen!r}; expected bvlc or torch")
    return "bvlc" if has_bvlc() else "torch"


def load() -> ModuleType:
    """Return the engine as a module with pycaffe's API (`Net`, `get_solver`, `set_mode_cpu`, ...).

    Raises `InputError` where it is not installed.
    """
    engine = name()
    if engine == "bvlc":
        # Caffe logs each layer that it sets up, which would drown the commands' own output.
        os.environ.setdefault("GLOG_minloglevel", "1")
    try:
        return importlib.import_module(_MODULES[engine])
    except ImportError as error:
        hint = {
            "bvlc": "install BVLC Caffe's Python package (Debian 11: python3-caffe), or use "
            f"{VARIABLE}=torch",
            "torch": "install PyTorch (Python 3.10 or later), or BVLC Caffe",
        }[engine]
        raise InputError(f"the engine {engine!r} cannot be loaded ({error}): {hint}") from error


def load_export() -> ModuleType:
    """Return `torchcaffe.export`; raises `InputError` where torchcaffe is not the engine."""
    if name() != "torch":
        raise InputError(
            f"modules and state dicts need PyTorch, but the engine is {name()!r}: set "
            f"{VARIABLE}=torch"
        )
    load()  # reports what is missing
    return importlib.import_module("torchcaffe.export")


def has_bvlc() -> bool:
    """Whether `import caffe` finds BVLC Caffe in this Python."""
    # A folder that happens to be called `caffe` is a namespace package (no origin), not pycaffe;
    # and torchcaffe registers itself under that name for Python layers that import caffe.
    loaded = sys.modules.get("caffe")
    if loaded is not None:
        return loaded is not sys.modules.get("torchcaffe")
    spec = importlib.util.find_spec("caffe")
    return spec is not None and spec.origin is not None


def capabilities() -> frozenset[str]:
    """Names of what the engine can do beyond pycaffe.

    `lean_forward`: a forward pass that frees what no later layer needs (`forward` uses it).
    """
    return _CAPABILITIES[name()]


def use_device(gpu: int | None = None) -> None:
    """Compute on GPU number `gpu`, or on the CPU where it is None."""
    caffe = load()
    if gpu is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(gpu)
        caffe.set_mode_gpu()
