"""Caffe's solver states, from which a training run resumes: `.solverstate`, `.solverstate.h5`."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import numpy as np

from caffeformat.errors import FormatError
from caffeformat.files import atomic_write
from caffeformat.messages import pb, wire

from .blob import blob_head, decode_blob, write_values
from .hdf5 import create_hdf5, numbered, open_hdf5

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray


_STATE = wire.field_numbers(pb.SolverState)
_MOST_HISTORY = 100_000
_MOST_STEPS = (1 << 31) - 1
# A field that Caffe does not have, and so skips: "<loss scale> <steps>"
_LOSS_SCALE = 1001


@dataclasses.dataclass
class SolverState:
    """A training run's state apart from the weights."""

    # Training steps done
    iter: int = 0
    # Steps of the learning rate so far
    current_step: int = 0
    # The weights file, as the solver named it
    learned_net: str = ""
    # The update rule's float32 arrays, one or two per parameter
    history: list[NDArray[np.float32]] = dataclasses.field(default_factory=list)
    # What losses are multiplied by in float16, and for how many steps already; 0: not float16.
    # Caffe passes over both.
    loss_scale: float = 0.0
    loss_scale_steps: int = 0


def read_solver_state(path: str | os.PathLike[str]) -> SolverState:
    """Read a `.solverstate` or, if `path` ends in `.h5`, a `.solverstate.h5` file.

    History arrays of binary files are read-only views. Raises `InputError`; for damaged files,
    `FormatError`.
    """
    state = _read_hdf5(path) if os.fspath(path).endswith(".h5") else _read_binary(path)
    if not 0 <= state.iter <= _MOST_STEPS:
        raise FormatError(path, f"its iter is {state.iter}; expected 0 to {_MOST_STEPS}")
    return state


def _read_binary(path: str | os.PathLike[str]) -> SolverState:
    span = wire.map_file(path, "a solver state")
    state, seen = SolverState(), False
    for number, kind, value in span.fields():
        if number == _STATE["iter"] and kind == wire.VARINT:
            state.iter, seen = value, True
        elif number == _STATE["current_step"] and kind == wire.VARINT:
            state.current_step = value
        elif number == _STATE["learned_net"] and kind == wire.BYTES:
            state.learned_net = value.text()
        elif number == _STATE["history"] and kind == wire.BYTES:
            value.what = f"history {len(state.history)}"
            state.history.append(decode_blob(value)[0])
            if len(state.history) > _MOST_HISTORY:
                raise value.error(value.start, f"more than {_MOST_HISTORY} arrays")
        elif number == _LOSS_SCALE and kind == wire.BYTES:
            try:
                scale, steps = value.text().split()
                state.loss_scale, state.loss_scale_steps = float(scale), int(steps)
            except ValueError:
                raise value.error(value.start, "no loss scale and number of steps") from None
        elif number == 1 and kind == wire.BYTES:  # the name of a net
            raise span.error(
                0,
                "a caffemodel, not a solver state: to start from its weights, pass it as the "
                "weights; to resume, pass the .solverstate beside it",
            )
    if not seen:
        raise span.error(0, 'it has no "iter"; expected a solver state')
    return state


def write_solver_state(path: str | os.PathLike[str], state: SolverState) -> None:
    """Write a `SolverState`, as HDF5 if `path` ends in `.h5`."""
    if os.fspath(path).endswith(".h5"):
        _write_hdf5(path, state)
        return
    with atomic_write(path) as file:
        file.write(wire.encode_key(_STATE["iter"], wire.VARINT) + wire.encode_varint(state.iter))
        file.write(wire.encode_bytes(_STATE["learned_net"], state.learned_net.encode()))
        for array in map(np.asarray, state.history):
            head = blob_head(array)
            file.write(wire.encode_key(_STATE["history"], wire.BYTES))
            file.write(wire.encode_varint(len(head) + 4 * array.size) + head)
            write_values(file, array)
        file.write(
            wire.encode_key(_STATE["current_step"], wire.VARINT)
            + wire.encode_varint(state.current_step)
        )
        if state.loss_scale:
            text = f"{state.loss_scale!r} {state.loss_scale_steps}"
            file.write(wire.encode_bytes(_LOSS_SCALE, text.encode()))


def _read_hdf5(path: str | os.PathLike[str]) -> SolverState:
    with open_hdf5(path) as file:
        missing = [name for name in ("iter", "learned_net", "history") if name not in file]
        if missing:
            raise FormatError(path, f"no {' and no '.join(missing)} in it: not a solver state")
        learned_net = file["learned_net"][()]
        if not isinstance(learned_net, (bytes, str)):
            raise FormatError(path, "its learned_net is not the path of a file")
        found = numbered(path, file["history"])
        history = [array for array in found if array is not None]
        if len(history) < len(found):
            raise FormatError(path, "its history has gaps")
        return SolverState(
            iter=_integer(file["iter"]),
            current_step=_integer(file["current_step"]) if "current_step" in file else 0,
            learned_net=learned_net.decode() if isinstance(learned_net, bytes) else learned_net,
            history=history,
            loss_scale=float(_number(file["loss_scale"])) if "loss_scale" in file else 0.0,
            loss_scale_steps=(
                _integer(file["loss_scale_steps"]) if "loss_scale_steps" in file else 0
            ),
        )


def _integer(dataset: h5py.Dataset) -> int:
    return int(_number(dataset))


def _number(dataset: h5py.Dataset) -> float:
    if dataset.size != 1 or dataset.dtype.kind not in "fiu":
        raise FormatError(
            dataset.file.filename,
            f'dataset "{dataset.name}" holds {dataset.dtype} of shape {dataset.shape}; expected '
            "one number",
        )
    value: float = np.asarray(dataset[()]).reshape(-1)[0]
    return value


def _write_hdf5(path: str | os.PathLike[str], state: SolverState) -> None:
    with create_hdf5(path) as file:
        file.create_dataset("iter", data=[state.iter], dtype="<i4")
        # Caffe reads up to a zero byte, which HDF5 would not write by itself.
        name = state.learned_net.encode()
        file.create_dataset("learned_net", data=np.array(name, dtype=f"S{len(name) + 1}"))
        file.create_dataset("current_step", data=[state.current_step], dtype="<i4")
        if state.loss_scale:
            file.create_dataset("loss_scale", data=[state.loss_scale], dtype="<f8")
            file.create_dataset("loss_scale_steps", data=[state.loss_scale_steps], dtype="<i4")
        history = file.create_group("history")
        for index, array in enumerate(state.history):
            history.create_dataset(str(index), data=array, dtype="<f4")
