"""Layers written in Python, as in pycaffe, and the list of modules whose layers may run.

A prototxt names a module and a class; running it runs whatever code is there. So a module is only
imported when `allow_python_modules` lists it, or a package it is in.
"""

import importlib

from caffeformat import pb

from . import log
from .alias import lend_name
from .blob import Blob
from .layers.base import ManualLayer, register
from .process import solver_count, solver_rank

# Berkeley's data layers by the names that public networks call them by; fcnkit installs them.
_allowed = {"voc_layers", "pascalcontext_layers", "nyud_layers", "siftflow_layers"}


def allow_python_modules(*names):
    """Let Python layers of these modules, and of modules within them, run from now on."""
    _allowed.update(names)


def _is_allowed(module):
    return any(module == name or module.startswith(name + ".") for name in _allowed)


class Layer:
    """Base of layers written in Python; a subclass has the four methods below.

    `bottom` and `top` are sequences of Blobs. Attributes: `param_str` (from the prototxt), `phase`,
    `name`, `type`, `blobs` (parameters; `self.blobs.add_blob(3, 4)` in `setup` adds one).

    Beyond pycaffe: a layer that reads data says by `takes_turns = True` that it goes by
    `solver_rank()` and `solver_count()`: solvers that train together get data of their own.
    """

    type, blobs, param_str = "Python", (), ""
    takes_turns = False

    def setup(self, bottom, top):
        """Read `param_str` and check the number of blobs; called once."""

    def reshape(self, bottom, top):
        """Give the tops their shapes: `top[0].reshape(1, 3, 8, 8)`."""

    def forward(self, bottom, top):
        """Write into the tops' `data`."""

    def backward(self, top, propagate_down, bottom):
        """Write into the `diff` of each bottom whose `propagate_down` holds."""


class BlobVec(list):
    """A layer's parameters, a list of Blobs on `device` that can grow as in pycaffe."""

    def __init__(self, device="cpu"):
        super().__init__()
        self._device = device

    def add_blob(self, *shape):
        """Append a parameter of this shape, all zeros."""
        blob = Blob(shape, self._device)
        blob.tensor()
        self.append(blob)


@register("Python")
class PythonLayer(ManualLayer):
    """Runs the class `python_param.layer` of the module `python_param.module`."""

    bottoms = tops = (0, None)

    def setup(self, shapes):
        p = self.proto.python_param
        layer = self._layer_class(p.module, p.layer)()
        is_source = self.phase == pb.TRAIN and not self.proto.bottom
        if is_source and solver_count() > 1 and solver_rank() == 0 and not layer.takes_turns:
            log.logger.warning(
                f'layer "{self.name}" ({p.module}.{p.layer}): every solver trains on the same data '
                "unless the layer goes by caffe.solver_rank(); it then says takes_turns = True."
            )
        self.blobs = BlobVec(self.device)
        layer.param_str, layer.phase = p.param_str, self.phase
        layer.name, layer.type, layer.blobs = self.name, self.type, self.blobs
        self.instance = layer
        return []

    def _layer_class(self, module, name):
        if not _is_allowed(module):
            raise self.error(
                f'runs the class "{name}" of the Python module "{module}", which is not allowed '
                f'to run here. If you trust it, call torchcaffe.allow_python_modules("{module}") '
                f"first, or give a command -allow_python {module}."
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
    def public(self):
        return self.instance

    def connect(self, bottoms, tops):
        self.instance.setup(bottoms, tops)

    def reshape_blobs(self, bottoms, tops):
        self.instance.reshape(bottoms, tops)

    def forward_blobs(self, bottoms, tops):
        self.instance.forward(bottoms, tops)

    def backward_blobs(self, tops, propagate_down, bottoms):
        self.instance.backward(tops, propagate_down, bottoms)
