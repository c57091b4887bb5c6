"""Opens nets and solvers, checked, on the chosen engine."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, Any

from caffeformat import InputError, filter_net, format_text, pb, read_net

from .choice import VARIABLE, capabilities, load, name
from .guards import (
    allow_in_engine,
    check_python_layers,
    refuse_forks,
    refuse_forks_of_solver,
    solver_nets,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Union

    import numpy as np
    from google.protobuf.message import Message
    from numpy.typing import NDArray

    from .pycaffe import Net, Solver

    Path = Union[str, os.PathLike[str]]


FLOAT32 = "float32"
PRECISIONS = (FLOAT32, "bfloat16", "float16")

_chosen = FLOAT32  # by use_precision


def open_net(
    net: pb.NetParameter | Path,
    phase: str = "TEST",
    stages: Sequence[str] = (),
    *,
    level: int = 0,
    allow_python: Iterable[str] = (),
    source: str | None = None,
    precision: str | None = None,
) -> Net:
    """Open `net`, a NetParameter or the path of one as text; its fillers set its weights.

    `phase` is "TRAIN" or "TEST"; `stages` and `level` choose layers as Caffe's NetState does.
    `source` is what errors call a net that is given as a message; `precision` is "float32",
    "bfloat16" or "float16" (None: what `use_precision` has chosen). Raises `InputError` for a
    Python layer of a module that is neither in `PYTHON_MODULES` nor in `allow_python`, and where
    BVLC Caffe would have to run what forks of Caffe added, or another precision than float32.
    """
    caffe = load()
    check_computing(precision)
    message, source = _message_of(net, source)
    check_python_layers(message, source, allow_python)
    allow_in_engine(caffe, allow_python)
    chosen: dict[str, Any] = {"stages": list(stages)} if stages else {}
    if level:
        chosen["level"] = level
    if name() == "torch":
        with _precision(precision):
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


def open_solver(
    solver: pb.SolverParameter | Path,
    allow_python: Iterable[str] = (),
    *,
    precision: str | None = None,
    recompute: bool = False,
) -> Solver:
    """Open `solver`, a SolverParameter or the path of one as text; checks its nets as `open_net`.

    Nets that a SolverParameter names by path are relative to the working directory. `precision` as
    for `open_net`; with `recompute` activations are computed twice rather than kept. Raises
    `InputError` where the engine is BVLC Caffe, which can do neither.
    """
    caffe = load()
    check_computing(precision, recompute)
    for net, source in solver_nets(solver):
        check_python_layers(net, source, allow_python)
    if name() == "bvlc":
        refuse_forks_of_solver(solver)
    allow_in_engine(caffe, allow_python)
    if name() == "torch":
        is_message = isinstance(solver, pb.SolverParameter)
        with _precision(precision):
            ours = caffe.get_solver(**{"param" if is_message else "solver_file": solver})
        ours.net.training.recompute = recompute
        opened: Solver = ours
        return opened
    with _as_file(solver) as path:
        opened = caffe.get_solver(path)
    return opened


def use_precision(precision: str) -> None:
    """Let nets opened from now on compute in `precision`; `InputError` where the engine cannot."""
    global _chosen
    check_computing(precision)
    if name() == "torch":
        load().set_precision(precision)
        _chosen = precision


@contextlib.contextmanager
def precision_of_its_own() -> Iterator[None]:
    """Undo in the end what `use_precision` chose meanwhile."""
    before = _chosen
    try:
        yield
    finally:
        if _chosen != before:
            use_precision(before)


def _precision(precision: str | None) -> contextlib.AbstractContextManager[None]:
    """Let torchcaffe's nets made meanwhile compute in `precision`, if that is not None."""
    if precision is None:
        return contextlib.nullcontext()
    chosen: contextlib.AbstractContextManager[None] = load().precision(precision)
    return chosen


def check_computing(precision: str | None, recompute: bool = False) -> None:
    """Raise `InputError` unless the engine can compute in `precision`, and `recompute` if asked."""
    precision = precision or FLOAT32
    if precision not in PRECISIONS:
        raise InputError(
            f"{{option}}: expected one of {', '.join(PRECISIONS)}",
            option="precision",
            value=precision,
        )
    if precision != FLOAT32 and name() != "torch":
        raise InputError(
            f"the engine {name()!r} computes in float32: leave {{option}} out, or set "
            f"{VARIABLE}=torch",
            option="precision",
            value=precision,
        )
    if recompute and name() != "torch":
        raise InputError(
            f"the engine {name()!r} keeps all activations: leave {{option}} out, or set "
            f"{VARIABLE}=torch",
            option="recompute",
            value=True,
        )


def forward(net: Net, blob: str) -> NDArray[np.float32]:
    """Run `net` forward and return the values of one blob; those of other blobs may be lost."""
    if "lean_forward" in capabilities():
        lean: Any = net.forward  # torchcaffe's takes more than pycaffe's
        values: NDArray[np.float32] = lean(blobs=[blob], keep_blobs=False)[blob]
        return values
    net.forward()
    return net.blobs[blob].data
