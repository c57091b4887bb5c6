"""Checks what a net or solver would run before an engine sees it.

A net may name Python modules that run as part of it: they must be on a list of allowed ones. And
BVLC Caffe ends the process at anything that its forks added.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from caffeformat import InputError, filter_net, pb, read_net, read_solver
from caffeformat.messages import fork_additions

from .choice import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType
    from typing import Union

    from google.protobuf.message import Message

    Path = Union[str, os.PathLike[str]]

# Modules whose Python layers may always run: this project's own, and Berkeley's data layers under
# the names that Berkeley's networks use for them.
PYTHON_MODULES = (
    "fcnkit.data_layers",
    "fcnkit.loss_layers",
    "voc_layers",
    "pascalcontext_layers",
    "nyud_layers",
    "siftflow_layers",
)


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
                "not allowed: if you trust it, pass {option}",
                option="allow_python",
                value=[module],
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
    for net, source in solver_nets(solver):
        for phase, state in states:
            refuse_forks(net, source, filter_net(net, phase, state.level, state.stage))


def allow_in_engine(caffe: ModuleType, allow_python: Iterable[str]) -> None:
    """Add the allowed modules to the engine's own list, which torchcaffe has."""
    allow = getattr(caffe, "allow_python_modules", None)
    if allow is not None:
        allow(*PYTHON_MODULES, *allow_python)


def _read_solver(solver: pb.SolverParameter | Path) -> tuple[pb.SolverParameter, str]:
    """`solver` as a message, and what errors call it."""
    if isinstance(solver, pb.SolverParameter):
        return solver, "the solver"
    return read_solver(solver), os.fspath(solver)


def solver_nets(solver: pb.SolverParameter | Path) -> Iterator[tuple[pb.NetParameter, str]]:
    """(message, where it is from) of each net that `solver` names or holds."""
    message, source = _read_solver(solver)
    for file in [message.net, message.train_net, *message.test_net]:
        if file:
            yield read_net(file), file
    for net in [message.net_param, message.train_net_param, *message.test_net_param]:
        yield net, source
