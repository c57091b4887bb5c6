"""The door to an engine: BVLC Caffe or torchcaffe, both with pycaffe's API.

`load()` returns BVLC Caffe where `import caffe` finds it, and torchcaffe otherwise; the environment
variable `FCNKIT_ENGINE=bvlc|torch` overrides the choice. Whatever pycaffe can express (nets,
solvers, blobs) is written against pycaffe and runs on both. Nets are opened with `open_net` and
`open_solver`, because a net may name Python modules that run as part of it: they are checked
against a list of allowed ones before either engine sees the net.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any, Protocol

from caffeformat import InputError, filter_net, format_text, pb, read_net, read_solver
from caffeformat.messages import fork_additions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType
    from typing import Union

    import numpy as np
    from google.protobuf.message import Message
    from numpy.typing import NDArray

    Path = Union[str, os.PathLike[str]]

VARIABLE = "FCNKIT_ENGINE"
_MODULES = {"bvlc": "caffe", "torch": "torchcaffe"}

_CAPABILITIES: dict[str, frozenset[str]] = {
    "bvlc": frozenset(),
    "torch": frozenset({"lean_forward"}),
}

# Modules whose Python layers may always run: this project's own, and Berkeley's data layers under
# the names that Berkeley's networks use for them.
PYTHON_MODULES = (
    "fcnkit.data_layers",
    "voc_layers",
    "pascalcontext_layers",
    "nyud_layers",
    "siftflow_layers",
)


class Blob(Protocol):
    """A blob of either engine: live arrays of values and gradients."""

    @property
    def data(self) -> NDArray[np.float32]:
        """The values."""

    @property
    def diff(self) -> NDArray[np.float32]:
        """The gradients."""

    @property
    def shape(self) -> Sequence[int]:
        """The size of each axis."""

    def reshape(self, *shape: int) -> None:
        """Change the shape."""


class Net(Protocol):
    """A net of either engine, as pycaffe has it."""

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """The blobs by name, in the order of the layers that make them."""

    @property
    def params(self) -> Mapping[str, Sequence[Blob]]:
        """The parameters of each layer that has any."""

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the input blobs."""

    @property
    def outputs(self) -> Sequence[str]:
        """Names of the blobs that no layer reads."""

    def forward(self) -> Mapping[str, NDArray[np.float32]]:
        """Run all layers; the outputs' values."""

    def backward(self) -> Mapping[str, NDArray[np.float32]]:
        """Compute the gradients; those of the inputs."""

    def reshape(self) -> None:
        """Adapt all layers to the inputs' shapes."""

    def copy_from(self, path: str) -> None:
        """Copy the weights in a caffemodel by layer name."""

    def share_with(self, other: Net) -> None:
        """Use the weights of another net."""

    def save(self, path: str) -> None:
        """Write the weights as a caffemodel."""


class Solver(Protocol):
    """A solver of either engine, as pycaffe has it."""

    @property
    def iter(self) -> int:
        """The number of steps taken."""

    @property
    def net(self) -> Net:
        """The net in training."""

    @property
    def test_nets(self) -> Sequence[Net]:
        """The nets to test."""

    def step(self, count: int) -> None:
        """Take `count` steps."""

    def restore(self, path: str) -> None:
        """Go on from a solver state."""

    def snapshot(self) -> None:
        """Write weights and solver state."""


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


def open_net(
    net: pb.NetParameter | Path,
    phase: str = "TEST",
    stages: Sequence[str] = (),
    *,
    level: int = 0,
    allow_python: Iterable[str] = (),
    source: str | None = None,
) -> Net:
    """Open `net`, a NetParameter or the path of one as text; its fillers set its weights.

    `phase` is "TRAIN" or "TEST"; `stages` and `level` choose layers as Caffe's NetState does.
    `source` is what errors call a net that is given as a message. Raises `InputError` for a Python
    layer of a module that is neither in `PYTHON_MODULES` nor in `allow_python`, and where BVLC
    Caffe would have to run what forks of Caffe added.
    """
    caffe = load()
    message, source = _message_of(net, source)
    check_python_layers(message, source, allow_python)
    _allow_in_engine(caffe, allow_python)
    chosen: dict[str, Any] = {"stages": list(stages)} if stages else {}
    if level:
        chosen["level"] = level
    if name() == "torch":
        opened: Net = caffe.Net(net_param=message, phase=getattr(caffe, phase), **chosen)
        return opened
    refuse_forks(message, source, filter_net(message, getattr(pb, phase), level, stages))
    with _as_file(net) as path:
        opened = caffe.Net(path, getattr(caffe, phase), **chosen)
    return opened


def _message_of(net: pb.NetParameter | Path, source: str | None) -> tuple[pb.NetParameter, str]:
    """`net` as a message, and what errors call it."""
    if isinstance(net, pb.NetParameter):
        return net, source or (f"net {net.name!r}" if net.name else "the net")
    return read_net(net), os.fspath(net)


@contextlib.contextmanager
def _as_file(message: Message | Path) -> Iterator[str]:
    """The path of a file with the text of `message`, which may be such a path already.

    BVLC Caffe takes nets and solvers from files only.
    """
    if isinstance(message, (str, os.PathLike)):
        yield os.fspath(message)
        return
    with tempfile.TemporaryDirectory(prefix="fcnkit-net-") as folder:
        path = os.path.join(folder, f"{type(message).__name__}.prototxt")
        with open(path, "w", encoding="utf-8") as file:
            file.write(format_text(message))
        yield path


def forward(net: Net, blob: str) -> NDArray[np.float32]:
    """Run `net` forward and return the values of one blob; those of other blobs may be lost."""
    if "lean_forward" in capabilities():
        lean: Any = net.forward  # torchcaffe's takes more than pycaffe's
        values: NDArray[np.float32] = lean(blobs=[blob], keep_blobs=False)[blob]
        return values
    net.forward()
    return net.blobs[blob].data


def open_solver(solver: pb.SolverParameter | Path, allow_python: Iterable[str] = ()) -> Solver:
    """Open `solver`, a SolverParameter or the path of one as text; checks its nets as `open_net`.

    Nets that a SolverParameter names by path are relative to the working directory.
    """
    caffe = load()
    for net, source in _solver_nets(solver):
        check_python_layers(net, source, allow_python)
    if name() == "bvlc":
        refuse_forks_of_solver(solver)
    _allow_in_engine(caffe, allow_python)
    if name() == "torch" and isinstance(solver, pb.SolverParameter):
        opened: Solver = caffe.get_solver(param=solver)
        return opened
    with _as_file(solver) as path:
        opened = caffe.get_solver(path)
    return opened


def _read_solver(solver: pb.SolverParameter | Path) -> tuple[pb.SolverParameter, str]:
    """`solver` as a message, and what errors call it."""
    if isinstance(solver, pb.SolverParameter):
        return solver, "the solver"
    return read_solver(solver), os.fspath(solver)


def _solver_nets(solver: pb.SolverParameter | Path) -> Iterator[tuple[pb.NetParameter, str]]:
    """(message, where it is from) of each net that `solver` names or holds."""
    message, source = _read_solver(solver)
    for file in [message.net, message.train_net, *message.test_net]:
        if file:
            yield read_net(file), file
    for net in [message.net_param, message.train_net_param, *message.test_net_param]:
        yield net, source


def check_python_layers(
    net: pb.NetParameter, source: str, allow_python: Iterable[str] = ()
) -> None:
    """Raise `InputError` where `net` has a Python layer whose module is not allowed.

    `source` is what the error calls the net. Layers of every phase count.
    """
    allowed = {*PYTHON_MODULES, *allow_python}
    for layer in net.layer:
        if layer.type == "Python" and layer.python_param.module not in allowed:
            module = layer.python_param.module
            raise InputError(
                f"{source}: layer {layer.name!r} runs Python code of module {module!r}, which is "
                f"not allowed: if you trust it, pass --allow-python {module}"
            )


def refuse_forks(message: Message, source: str, net: pb.NetParameter | None = None) -> None:
    """Raise `InputError` for anything in `message` that BVLC Caffe does not know.

    `source` is what the error calls the message; `net` is the NetParameter with the layers that
    would run. BVLC Caffe itself would end the process at the first such thing.
    """
    found = fork_additions(message, net)
    if found:
        raise InputError(
            f"{source}: BVLC Caffe does not know what its forks added: {'; '.join(found)}; run it "
            f"with {VARIABLE}=torch"
        )


def refuse_forks_of_solver(solver: pb.SolverParameter | Path) -> None:
    """Apply `refuse_forks` to `solver` and to the layers that its nets would have."""
    message, source = _read_solver(solver)
    refuse_forks(message, source)
    states = [(pb.TRAIN, message.train_state)]
    states += [(pb.TEST, state) for state in list(message.test_state) or [pb.NetState()]]
    for net, source in _solver_nets(solver):
        for phase, state in states:
            refuse_forks(net, source, filter_net(net, phase, state.level, state.stage))


def _allow_in_engine(caffe: ModuleType, allow_python: Iterable[str]) -> None:
    # BVLC Caffe imports whatever a net names; torchcaffe keeps a list of its own.
    allow = getattr(caffe, "allow_python_modules", None)
    if allow is not None:
        allow(*PYTHON_MODULES, *allow_python)


class Hooks:
    """What `train` calls around each step; a subclass overrides what it needs."""

    def before_step(self, solver: Solver) -> None:
        """Called before each step; `solver.iter` steps have been taken."""

    def after_step(self, solver: Solver) -> bool | None:
        """Called after each step; a true value ends the run."""


def train(solver: Solver, hooks: Hooks, options: Mapping[str, Any]) -> None:
    """Step `solver` until `options["max_iter"]` iterations, with `hooks` around each step.

    Every other option names something that pycaffe cannot express and must be among the engine's
    `capabilities()`; otherwise `InputError` names the engine that lacks it.
    """
    options = dict(options)
    max_iter = options.pop("max_iter")
    missing = sorted(set(options) - capabilities())
    if missing:
        raise InputError(f"the engine {name()!r} cannot do {', '.join(missing)}")
    while solver.iter < max_iter:
        hooks.before_step(solver)
        solver.step(1)
        if hooks.after_step(solver):
            break
