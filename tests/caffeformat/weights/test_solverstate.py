"""Solver states in both forms, read as Caffe wrote them and written as Caffe reads them."""

import h5py
import numpy as np
import pytest

from caffeformat import FormatError, SolverState, pb, read_solver_state, write_solver_state
from caffeformat.messages import wire

NAMES = ["small_binaryproto_iter_3.solverstate", "small_hdf5_iter_3.solverstate.h5"]


@pytest.mark.parametrize("name", NAMES)
def test_states_of_caffe(golden_files, name):
    state = read_solver_state(golden_files / name)
    assert (state.iter, state.current_step) == (3, 0)
    assert state.learned_net == name.replace("solverstate", "caffemodel")
    assert [a.shape for a in state.history][:5] == [(4, 3, 3, 3), (4,), (4,), (4,), (1,)]
    assert [a.shape for a in state.history][5:] == [(4,), (4,), (3, 400), (3,)]


def test_binary_history_equals_protobufs(golden_files):
    theirs = pb.SolverState.FromString((golden_files / NAMES[0]).read_bytes())
    ours = read_solver_state(golden_files / NAMES[0])
    for array, blob in zip(ours.history, theirs.history):
        np.testing.assert_array_equal(array.ravel(), np.float32(blob.data))


@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
@pytest.mark.parametrize("learned_net", ["net_iter_7.caffemodel", ""])
def test_what_was_written_reads_back(tmp_path, name, learned_net):
    state = SolverState(7, 2, learned_net, [np.arange(6.0).reshape(2, 3), np.zeros(1)])
    write_solver_state(tmp_path / name, state)
    read = read_solver_state(tmp_path / name)
    assert (read.iter, read.current_step, read.learned_net) == (7, 2, learned_net)
    for ours, theirs in zip(read.history, state.history):
        np.testing.assert_array_equal(ours, theirs)
    assert len(read.history) == 2


def test_a_written_state_equals_caffes_own(golden_files, tmp_path):
    write_solver_state(tmp_path / "s.solverstate", read_solver_state(golden_files / NAMES[0]))
    ours = pb.SolverState.FromString((tmp_path / "s.solverstate").read_bytes())
    assert ours == pb.SolverState.FromString((golden_files / NAMES[0]).read_bytes())


def test_the_name_in_an_hdf5_state_ends_in_a_zero_byte_as_caffe_needs_it(golden_files, tmp_path):
    write_solver_state(tmp_path / "s.h5", read_solver_state(golden_files / NAMES[1]))
    with (
        h5py.File(tmp_path / "s.h5", "r") as ours,
        h5py.File(golden_files / NAMES[1], "r") as theirs,
    ):
        assert ours["learned_net"].dtype == theirs["learned_net"].dtype
        assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_states(golden_files, tmp_path, name):
    content = (golden_files / name).read_bytes()
    for damaged in (b"", content[: len(content) // 2]):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(FormatError, match=name):
            read_solver_state(tmp_path / name)


def test_weights_are_no_solver_state(golden_files):
    for name in ("small_binaryproto_iter_3.caffemodel", "small_hdf5_iter_3.caffemodel.h5"):
        with pytest.raises(FormatError):
            read_solver_state(golden_files / name)


@pytest.mark.parametrize("iteration", [-5, 1 << 31])
@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_iterations_that_no_solver_counts_are_refused(tmp_path, name, iteration):
    path = tmp_path / name
    write_solver_state(path, SolverState(3, 0, "w", [np.zeros(1)]))
    if name.endswith("h5"):
        with h5py.File(path, "a") as file:
            del file["iter"]
            file["iter"] = [iteration]
    else:
        head = wire.encode_key(1, wire.VARINT) + wire.encode_varint(iteration)
        path.write_bytes(head + path.read_bytes()[2:])
    with pytest.raises(FormatError, match=rf"{name}: its iter is {iteration}; expected 0 to"):
        read_solver_state(path)


@pytest.mark.parametrize(
    "place, value, said",
    [
        ("learned_net", [1, 2], "its learned_net is not the path"),
        ("learned_net", 3.0, "its learned_net is not the path"),
        ("iter", [4, 5], r"shape \(2,\); expected one number"),
        ("iter", [], r"shape \(0,\); expected one number"),
        ("iter", "four", "expected one number"),
    ],
)
def test_fields_of_other_types_in_hdf5_are_refused(tmp_path, place, value, said):
    path = tmp_path / "s.solverstate.h5"
    write_solver_state(path, SolverState(3, 0, "w", [np.zeros(1)]))
    with h5py.File(path, "a") as file:
        del file[place]
        file[place] = value
    with pytest.raises(FormatError, match=said):
        read_solver_state(path)
