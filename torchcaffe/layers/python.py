"""Layers written in Python, as in pycaffe, and the list of modules whose layers may run.

A prototxt names a module and a class; running the net runs whatever code is there. Code that is in
the program already is the program's own: its main module, and whatever it has imported. Any other
module is only imported if it, or a package that contains it, was passed to `allow_python_modules`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from caffeformat import pb
from torchcaffe import log
from torchcaffe.alias import lend_name
from torchcaffe.core import Blob, solver_count, solver_rank

from .base import ManualLayer, Param, register

if TYPE_CHECKING:
    from collections.abc import Sequence

# Berkeley's data layers under the names used by public networks; fcnkit installs them.
_allowed = {"voc_layers", "pascalcontext_layers", "nyud_layers", "siftflow_layers"}


def allow_python_modules(*names: str) -> None:
    """Let Python layers of these modules, and of modules within them, run from now on."""
    _allowed.update(names)


def _is_allowed(module: str) -> bool:
    if module in sys.modules or _is_main(module):
        return True
    return any(module == name or module.startswith(name + ".") for name in _allowed)


def _is_main(module: str) -> bool:
    """Whether importing `module` would import the script that is running, under its own name."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not script or module != os.path.splitext(os.path.basename(script))[0]:
        return False
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return False
    origin = None if spec is None else spec.origin
    return bool(origin and os.path.isfile(origin) and os.path.samefile(origin, script))


class Layer:
    """Base of layers written in Python; a subclass has the four methods below.

    `bottom` and `top` are sequences of Blobs. Attributes: `param_str` (from the prototxt), `phase`,
    `name`, `type`, `blobs` (parameters; `self.blobs.add_blob(3, 4)` in `setup` adds one).

    Beyond pycaffe: a layer that reads data sets `takes_turns = True` if it uses `solver_rank()` and
    `solver_count()` to give each of the solvers that train together its own data.
    """

    type: str = "Python"
    blobs: Sequence[Blob] = ()
    param_str: str = ""
    takes_turns: bool = False
    phase: int
    name: str

    def __init__(self, param: pb.LayerParameter | None = None, *rest: object) -> None:
        """Make the layer of the message `param`, which pycaffe, too, hands to subclasses."""

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Read `param_str` and check the number of blobs; called once."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Set the tops' shapes: `top[0].reshape(1, 3, 8, 8)`."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Write into the tops' `data`."""

    def backward(
        self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]
    ) -> None:
        """Write into the `diff` of each bottom whose `propagate_down` is set."""


@register("Python")
class Python(ManualLayer):
    """Runs the class `python_param.layer`, derived from `Layer`, of `python_param.module`."""

    bottoms = tops = (0, None)

    def setup(self, shapes: Sequence[tuple[int, ...]]) -> list[Param]:
        p = self.proto.python_param
        layer = self._layer_class(p.module, p.layer)(self.proto)
        is_source = self.phase == pb.TRAIN and not self.proto.bottom
        if is_source and solver_count() > 1 and solver_rank() == 0 and not layer.takes_turns:
            log.logger.warning(
                f'layer "{self.name}" ({p.module}.{p.layer}): every solver trains on the same data '
                "unless the layer uses caffe.solver_rank(); if it does, set takes_turns = True in "
                "its class."
            )
        layer.param_str, layer.phase = p.param_str, self.phase
        layer.name, layer.type, layer.blobs = self.name, self.type, self.blobs
        self.instance = layer
        return []

    def _layer_class(self, module: str, name: str) -> type[Layer]:
        if not _is_allowed(module):
            raise self.error(
                f'runs the class "{name}" of the Python module "{module}", which is not allowed '
                f"to run here. If you trust it, import it or call torchcaffe.allow_python_modules("
                f'"{module}") before the net is built, or pass -allow_python {module} on the '
                "command line: to the command, or before the name of a script."
            )
        lend_name()
        try:
            found = importlib.import_module(module)
        except ImportError as error:
            raise self.error(
                f'its Python module "{module}" cannot be imported: {error}. Is its folder on '
                "PYTHONPATH?"
            ) from error
        cls = getattr(found, name, None)
        if not (isinstance(cls, type) and issubclass(cls, Layer)):
            raise self.error(
                f'the Python module "{module}" has no class "{name}" derived from caffe.Layer.'
            )
        return cls

    @property
    def public(self) -> Layer:
        return self.instance

    def connect(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        self.instance.setup(bottoms, tops)

    def reshape_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        self.instance.reshape(bottoms, tops)

    def forward_blobs(self, bottoms: Sequence[Blob], tops: Sequence[Blob]) -> None:
        self._require("forward")
        self.instance.forward(bottoms, tops)

    def backward_blobs(
        self, tops: Sequence[Blob], propagate_down: Sequence[bool], bottoms: Sequence[Blob]
    ) -> None:
        if any(propagate_down) or self.blobs:
            self._require("backward")
        self.instance.backward(tops, propagate_down, bottoms)

    def _require(self, method: str) -> None:
        """Raise `InputError` if the layer's class does not have this method."""
        cls = type(self.instance)
        if getattr(cls, method) is getattr(Layer, method):
            what = "gradients" if method == "backward" else "values"
            raise self.error(
                f'its class "{cls.__name__}" has no method {method}, which computes {what}; define '
                "it, with pass if there are none."
            )
