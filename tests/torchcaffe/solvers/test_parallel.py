"""Training on several devices: as one with a larger batch; one log, one set of files, one end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from own_processes import module
from training_process import Training

from caffeformat import InputError, LmdbWriter, array_to_datum, read_caffemodel, read_solver_state
from torchcaffe import core
from torchcaffe.__main__ import main
from torchcaffe.commands import train
from torchcaffe.solvers import run_ranks

NET = """
name: "tiny"
layer { name: "x" type: "Data" top: "x" top: "y"
  data_param { source: "db" batch_size: BATCH backend: LMDB } transform_param { scale: 0.004 } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "fixed" type: "Scale" bottom: "conv" top: "conv" param { lr_mult: 0 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param {
  num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.001
clip_gradients: 1 max_iter: 6 snapshot_prefix: "run" random_seed: 3 display: 1
test_iter: 1 test_interval: 3 snapshot: 3 debug_info: true """
# What `torchcaffe train -gpu 0,1` runs, with the CPU in the place of both GPUs.
SCRIPT = """
import sys
from torchcaffe.commands import run_command, train

train.gpu_numbers = lambda text: [None, None]
train.core.gpus = lambda: type("None", (), {"get_device_name": str})

if __name__ == "__main__":
    sys.exit(run_command("train", ["-solver=solver.prototxt", *sys.argv[1:]]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    (tmp_path / "train.py").write_text(SCRIPT)
    random = np.random.RandomState(0)
    with LmdbWriter(tmp_path / "db") as writer:
        for index in range(10):
            image = random.randint(0, 256, (3, 5, 5)).astype(np.uint8)
            writer.put(b"%04d" % index, array_to_datum(image, index % 3).SerializeToString())
    set_batch(tmp_path, 2)
    return tmp_path


def set_batch(folder, size):
    (folder / "net.prototxt").write_text(NET.replace("BATCH", str(size)))


ON_CPU = [sys.executable, "train.py"]
TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")


def arrays(path):
    return [np.array(blob) for blobs in read_caffemodel(path).values() for blob in blobs]


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, TWO_GPUS])],
)
def two_devices(request, monkeypatch):
    """Lets `-gpu=0,1` mean two GPUs, or the CPU twice."""
    if request.param == "cpu":
        monkeypatch.setattr(train, "gpu_numbers", lambda text: [None, None] if text else [])
        monkeypatch.setattr(core, "gpus", lambda: type("None", (), {"get_device_name": str}))


@pytest.mark.slow
@pytest.mark.usefixtures("two_devices")
def test_two_solvers_take_the_steps_of_one_with_twice_the_batch(folder, capfd):
    set_batch(folder, 4)
    assert main(["train", "-solver=solver.prototxt"]) == 0
    expected = {path.name: path for path in folder.glob("run_*")}
    weights = {name: arrays(name) for name in expected if name.endswith("model")}
    histories = {
        name: [np.array(a) for a in read_solver_state(name).history]
        for name in expected
        if name.endswith("state")
    }
    for path in expected.values():
        path.unlink()

    set_batch(folder, 2)
    capfd.readouterr()
    assert main(["train", "-solver=solver.prototxt", "-gpu=0,1"]) == 0
    text = capfd.readouterr().err
    assert not multiprocessing.active_children()
    assert {path.name for path in folder.glob("run_*")} == set(expected)
    for name, blobs in weights.items():
        for mine, theirs in zip(arrays(name), blobs):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    for name, history in histories.items():
        for mine, theirs in zip(read_solver_state(name).history, history):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
    # One voice tells it all, once.
    for line in ("Solving tiny", "Iteration 3, Testing net (#0)", "Iteration 5 (", "Using GPUs"):
        assert text.count(line) == 1, line
    assert text.count("Snapshotting solver state") == 2


@pytest.mark.slow
def test_two_solvers_go_on_from_a_snapshot(folder):
    run = Training(folder, command=ON_CPU)
    assert run.end() == 0
    whole = read_solver_state("run_iter_6.solverstate")
    for name in ("run_iter_6.caffemodel", "run_iter_6.solverstate"):
        (folder / name).unlink()
    run = Training(folder, "-snapshot=run_iter_3.solverstate", command=ON_CPU)
    assert run.end() == 0, run.text
    resumed = read_solver_state("run_iter_6.solverstate")
    assert (resumed.iter, len(resumed.history)) == (whole.iter, len(whole.history))


@pytest.mark.slow
def test_an_interrupt_ends_all_with_one_snapshot(folder):
    (folder / "solver.prototxt").write_text(SOLVER.replace("max_iter: 6", "max_iter: 100000000"))
    run = Training(folder, command=ON_CPU)
    run.wait_for("Iteration 2 (")
    run.send_to_all(signal.SIGINT)
    assert run.end() == 0, run.text
    assert run.text.count("Optimization stopped early.") == 1
    assert "Traceback" not in run.text
    assert run.leaves_nobody()
    last = max(folder.glob("run_*.solverstate"), key=lambda path: path.stat().st_mtime)
    assert read_solver_state(last).iter == int(last.stem.rpartition("_")[2])


FAILING = textwrap.dedent("""
    import os, signal
    import caffe

    class Fails(caffe.Layer):
        def setup(self, bottom, top):
            self.passes = 0

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[0].shape)

        def forward(self, bottom, top):
            self.passes += 1
            if self.passes == 4 and caffe.solver_rank() == 1:
                FAIL
            top[0].data[...] = bottom[0].data

        def backward(self, top, propagate_down, bottom):
            bottom[0].diff[...] = top[0].diff
""")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fail", "problem"),
    [
        ("raise OSError('this disk is full')", "this disk is full\n"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "the process of solver 1 ended by signal 9"),
    ],
)
def test_an_error_in_one_process_ends_all_and_is_told(folder, monkeypatch, fail, problem):
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (folder / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "temporary"))
    (folder / "failing.py").write_text(FAILING.replace("FAIL", fail))
    layer = (
        'layer { name: "fails" type: "Python" bottom: "conv" top: "conv2" '
        'python_param { module: "failing" layer: "Fails" } }'
    )
    net = (
        (folder / "net.prototxt")
        .read_text()
        .replace('bottom: "conv" top: "ip"', 'bottom: "conv2" top: "ip"')
    )
    (folder / "net.prototxt").write_text(
        net.replace('layer { name: "ip"', f'{layer}\nlayer {{ name: "ip"')
    )
    run = Training(folder, "-allow_python=failing", command=ON_CPU)
    assert run.end() == 1, run.text
    last = run.text.splitlines(keepends=True)[-1]
    assert last.startswith("F") and problem in last, run.text
    assert run.leaves_nobody()
    assert not list((folder / "temporary").iterdir())


LOSING = """
import os, signal, time
from torchcaffe.core import LostSolversError

def lose_the_other(line, mark):
    if line.rank == 1:
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    while not os.path.exists(mark):
        time.sleep(0.01)
    raise LostSolversError
"""


@pytest.mark.slow
def test_the_cause_is_told_and_not_what_follows_from_it(tmp_path, monkeypatch):
    (tmp_path / "losing.py").write_text(LOSING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    from losing import lose_the_other

    with pytest.raises(InputError, match="solver 1 ended by signal 9"):
        run_ranks(lose_the_other, 2, (str(tmp_path / "mark"),))


ASKED = """
import os, signal, time

def wait_for_action(line, mark):
    action, end = line.requested(), time.monotonic() + 30
    while action == "none" and time.monotonic() < end:
        time.sleep(0.01)
        action = line.requested()
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return action
"""


@pytest.mark.slow
def test_processes_that_come_later_are_asked_to_stop_too(tmp_path, monkeypatch):
    """Ctrl-C while they start, or before one of them ends and all start again."""
    (tmp_path / "asked.py").write_text(ASKED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    from asked import wait_for_action

    mark, actions = tmp_path / "mark", ["stop"]

    def requested():
        return actions.pop() if actions else "none"

    assert run_ranks(wait_for_action, 1, (str(mark),), requested, restarts=1) == "stop"
    assert mark.exists()


@pytest.mark.slow
def test_a_killed_training_leaves_no_process_behind(folder):
    (folder / "solver.prototxt").write_text(SOLVER.replace("max_iter: 6", "max_iter: 100000000"))
    run = Training(folder, command=ON_CPU)
    run.wait_for("Iteration 2 (")
    run.process.kill()
    run.end()
    assert run.leaves_nobody()


# BVLC Caffe's python/train.py, in short and on the CPU.
PYCAFFE = """
import multiprocessing, sys
import caffe

def solve(uid, rank):
    caffe.set_mode_cpu()
    caffe.set_solver_count(2)
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver("solver.prototxt")
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    solver.step(solver.param.max_iter)
    if rank == 0:
        solver.snapshot()

if __name__ == "__main__":
    uid = caffe.NCCL.new_uid()
    caffe.init_log()
    processes = [multiprocessing.Process(target=solve, args=(uid, rank)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode for process in processes))
"""


@pytest.mark.slow
def test_pycaffes_way_of_training_on_two_devices_is_the_commands(folder):
    assert Training(folder, command=ON_CPU).end() == 0
    expected = arrays("run_iter_6.caffemodel")
    os.unlink("run_iter_6.caffemodel")
    (folder / "pycaffe.py").write_text(PYCAFFE)
    command = module("torchcaffe", "pycaffe.py")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Iteration 5 (") == 1
    for mine, theirs in zip(arrays("run_iter_6.caffemodel"), expected):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)
