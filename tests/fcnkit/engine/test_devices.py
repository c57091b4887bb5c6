"""How processes choose their devices and join, with engines that are made up."""

import sys
import types

import numpy as np
import pytest

from caffeformat import InputError
from fcnkit import engine
from fcnkit.engine import Devices, devices


@pytest.fixture
def solvers(monkeypatch):
    """A module in the place of torchcaffe.solvers, whose processes torchrun has started."""
    module = types.ModuleType("torchcaffe.solvers")
    module.NONE, module.STOP = "none", "stop"
    module.local_rank = lambda: (1, 2)
    module.joins = []
    module.join = lambda: module.joins.append(None) or types.SimpleNamespace(rank=1, count=2)
    monkeypatch.setitem(sys.modules, "torchcaffe.solvers", module)
    monkeypatch.setenv(engine.VARIABLE, "torch")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(devices, "_together", None)
    module.used = []
    monkeypatch.setattr(devices, "use_device", module.used.append)
    return module


@pytest.mark.parametrize("chosen, used", [(Devices((4, 6)), 6), (Devices(), None)])
def test_a_process_takes_the_device_of_its_rank_and_joins_once(solvers, chosen, used):
    assert devices.has_launched() and not devices.is_root()
    first = devices.join(chosen)
    assert (first.rank, first.count) == (1, 2)
    assert devices.join(chosen) is first
    assert solvers.used == [used, used] and len(solvers.joins) == 1


@pytest.mark.parametrize("chosen", [Devices((4,)), Devices((1, 2, 3)), Devices(processes=3)])
def test_devices_have_to_be_as_many_as_the_processes_here(solvers, chosen):
    with pytest.raises(InputError, match=f"2 processes on this machine, but .* {chosen.count} dev"):
        devices.join(chosen)
    assert not solvers.joins and not solvers.used


def test_a_process_by_itself_joins_nobody(solvers, monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert devices.is_root()
    alone = devices.join(Devices((3,)))
    assert (alone.rank, alone.count, alone.is_root) == (0, 1, True) and not solvers.joins
    assert solvers.used == [3]
    alone.begin("run")
    assert not alone.has_begun("run")
    assert alone.from_root(lambda: 7) == 7
    assert alone.total(np.ones(2)).tolist() == [1, 1]


def test_a_solver_gets_the_roots_weights_and_averages_gradients(solvers):
    class NCCL:
        def __init__(self, solver, joined):
            solver.done.append(("joined", joined.count))
            self.solver = solver

        def bcast(self):
            self.solver.done.append("weights")

    solvers.NCCL = NCCL
    solver = types.SimpleNamespace(done=[])
    solver.add_callback = lambda nccl: solver.done.append(type(nccl))
    devices.connect(solver, devices.ALONE)
    assert solver.done == []
    devices.connect(solver, types.SimpleNamespace(count=2))
    assert solver.done == [("joined", 2), "weights", NCCL]


def test_a_request_to_stop_is_passed_on_once(solvers):
    def run_ranks(work, count, arguments, requested, *, restarts, heard):
        assert (work, count, arguments, restarts) == ("work", 2, [1], 7)
        heard("something")
        return [requested() for _ in range(4)]

    solvers.run_ranks = run_ranks
    stops, told = iter([False, True, True, True]), []
    found = devices.run_together(
        "work", 2, [1], stop=lambda: next(stops), heard=told.append, restarts=7
    )
    assert found == ["none", "stop", "none", "none"] and told == ["something"]


def test_all_gpus_are_those_of_pytorch(monkeypatch):
    core = types.ModuleType("torchcaffe.core")
    core.gpu_count = lambda: 3
    core.require_gpu = lambda number: None
    monkeypatch.setitem(sys.modules, "torchcaffe.core", core)
    monkeypatch.setenv(engine.VARIABLE, "torch")
    assert engine.devices_of("all") == Devices((0, 1, 2))
    core.gpu_count = lambda: 0
    with pytest.raises(InputError, match="PyTorch finds no CUDA device"):
        engine.devices_of("all")
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    with pytest.raises(InputError, match="'bvlc' does not say how many there are"):
        engine.devices_of("all")


def test_several_gpus_have_to_be_there(monkeypatch):
    def require(number):
        if number > 1:
            raise InputError(f"there is no GPU {number}")

    core = types.ModuleType("torchcaffe.core")
    core.require_gpu = require
    monkeypatch.setitem(sys.modules, "torchcaffe.core", core)
    monkeypatch.setenv(engine.VARIABLE, "torch")
    assert engine.devices_of([0, 1]) == Devices((0, 1))
    with pytest.raises(InputError, match="there is no GPU 2"):
        engine.devices_of([0, 2])


def test_bvlc_caffe_deals_out_training_data_alone(monkeypatch):
    caffe = types.ModuleType("caffe")
    caffe.TRAIN, caffe.solver_rank, caffe.solver_count = 0, lambda: 1, lambda: 4
    monkeypatch.setitem(sys.modules, "caffe", caffe)
    monkeypatch.setenv(engine.VARIABLE, "bvlc")
    assert devices.data_turn(0) == (1, 4)
    assert devices.data_turn(1) == devices.data_turn(None) == (0, 1)
