"""GPU mode itself: where nets live, what moves between host and device, and what is refused.

What layers and solvers compute in GPU mode is tested by the modules that conftest.py names.
"""

import io
import re

import numpy as np
import pytest
import torch

import torchcaffe
from caffeformat import InputError, parse_text, pb, read_caffemodel
from torchcaffe import log
from torchcaffe.core import device
from torchcaffe.export import to_module
from torchcaffe.layers.activations import Dropout
from torchcaffe.solvers import Solver
from torchcaffe.solvers.update_rules import RULES

NET = """
name: "tiny"
layer { name: "x" type: "Input" top: "x" top: "y"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 6 } shape { dim: 2 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "y" top: "loss"
  exclude { stage: "deploy" } }
"""
RANDOM = np.random.RandomState(0)
X = RANDOM.randn(2, 3, 6, 6).astype(np.float32)
Y = RANDOM.randint(0, 4, (2, 1, 4, 4)).astype(np.float32)


def make_net(text=NET, phase=torchcaffe.TEST, **options):
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=phase, **options)


def make_solver(fields=""):
    param = parse_text(f'lr_policy: "fixed" base_lr: 0.1 {fields}', pb.SolverParameter)
    if param.type not in ("AdaGrad", "RMSProp"):  # which take none
        param.momentum = 0.9
    param.net_param.CopyFrom(parse_text(NET, pb.NetParameter))
    torchcaffe.set_random_seed(1)
    solver = Solver(param=param)
    solver.net.blobs["x"].data[...] = X
    solver.net.blobs["y"].data[...] = Y
    return solver


def tensors(net):
    blobs = [*net.blobs.values(), *(blob for blobs in net.params.values() for blob in blobs)]
    return [tensor for blob in blobs for tensor in (blob.tensor(), blob.gradient())]


def test_everything_of_a_net_is_on_the_device(gpu_mode):
    solver = make_solver()
    solver.step(2)
    everything = tensors(solver.net) + solver.optimizer.history
    assert {tensor.device for tensor in everything} == {device.current_device()}
    assert device.current_device().type == device.GPU


def test_a_device_tensor_and_one_of_the_host_do_not_mix(gpu_mode):
    """What makes the other tests worth something where there is no GPU."""
    there, here = torch.ones(3, device=device.current_device()), torch.ones(3)
    with pytest.raises(RuntimeError):
        there + here
    with pytest.raises(RuntimeError):
        here.copy_(there).index_select(0, there.long())
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()
    assert here.copy_(there).device.type == "cpu"
    here[0] = 5
    assert there[0].item() == 1


def test_nets_live_where_they_were_built(gpu_mode, tmp_path):
    on_device = make_net()
    torchcaffe.set_mode_cpu()
    on_host = make_net()
    on_device.save(tmp_path / "w.caffemodel")
    on_host.copy_from(tmp_path / "w.caffemodel")
    inputs = {"x": X, "y": Y}
    torchcaffe.set_mode_gpu()
    expected = on_host.forward(**inputs)["loss"]
    torchcaffe.set_mode_cpu()
    np.testing.assert_allclose(on_device.forward(**inputs)["loss"], expected, rtol=1e-5)
    assert {tensor.device.type for tensor in tensors(on_host)} == {"cpu"}
    assert {tensor.device.type for tensor in tensors(on_device)} == {device.GPU}
    with pytest.raises(InputError, match=r"nets on cpu and .* cannot share parameters"):
        on_host.share_with(on_device)


@pytest.mark.parametrize("rule", list(RULES))
@pytest.mark.parametrize(("begun_on", "form"), [("host", "BINARYPROTO"), ("device", "HDF5")])
def test_a_run_goes_on_from_a_snapshot_on_the_other_side(begun_on, rule, form, tmp_path, gpu_mode):
    fields = (
        f'type: "{rule}" snapshot_format: {form} snapshot_prefix: "{tmp_path}/run" iter_size: 2 '
        "clip_gradients: 1 weight_decay: 0.01"
    )
    modes = [torchcaffe.set_mode_cpu, torchcaffe.set_mode_gpu]
    begin, go_on = modes if begun_on == "host" else modes[::-1]
    begin()
    whole = make_solver(fields)
    whole.step(2)
    _, state = whole.snapshot()
    whole.step(2)
    go_on()
    second = make_solver(fields)
    second.restore(state)
    second.step(2)
    for mine, theirs in zip(second.net.params["conv"], whole.net.params["conv"]):
        assert mine.device != theirs.device
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-5, atol=1e-6)


def test_debug_info_says_the_same_as_on_the_cpu(gpu_mode):
    said, weights = [], make_net().weights()
    for choose in (torchcaffe.set_mode_cpu, torchcaffe.set_mode_gpu):
        choose()
        stream = io.StringIO()
        handler = log.attach(stream)
        try:
            solver = make_solver("debug_info: true display: 1")
            solver.net.copy_from(weights)
            solver.step(1)
        finally:
            log.detach(handler)
        lines = [line.split("] ", 1)[1] for line in stream.getvalue().splitlines()]
        said.append([line for line in lines if "iter/s" not in line])
    assert any("[Backward] All net params" in line for line in said[0])
    numbers = re.compile(r"[-+\d.e]*\d")
    assert [numbers.sub("", line) for line in said[0]] == [
        numbers.sub("", line) for line in said[1]
    ]
    here, there = (np.array(numbers.findall(" ".join(lines)), float) for lines in said)
    np.testing.assert_allclose(there, here, rtol=1e-4)


def test_a_nan_is_traced_to_its_layer(gpu_mode):
    solver = make_solver("debug_info: true display: 1")
    solver.net.params["conv"][0].data[...] = np.nan
    with pytest.raises(InputError, match='layer "conv" is the first whose top'):
        solver.step(1)


def test_dropout_keeps_its_share(gpu_mode):
    layer = Dropout(pb.LayerParameter(name="drop"), torchcaffe.TRAIN)
    layer.setup([(100000,)])
    (top,) = layer.forward([torch.ones(100000, device=device.current_device())], [])
    assert set(top.cpu().unique().numpy()) == {0.0, 2.0}
    assert float(top.mean()) == pytest.approx(1, abs=0.02)


def test_a_module_is_made_of_a_net_on_the_device(gpu_mode):
    net = make_net(stages=["deploy"])
    module = to_module(net)
    with torch.no_grad():
        top = module(torch.from_numpy(X), torch.from_numpy(Y))
    np.testing.assert_allclose(top.numpy(), net.forward(x=X, y=Y)["conv"], rtol=1e-4, atol=1e-6)


def test_weights_are_saved_from_the_device(gpu_mode, tmp_path):
    net = make_net()
    net.params["conv"][1].data[...] = [1, 2, 3, 4]
    net.save(tmp_path / "w.caffemodel")
    assert list(read_caffemodel(tmp_path / "w.caffemodel")["conv"][1]) == [1, 2, 3, 4]


def test_gpu_mode_computes_in_whole_float32(gpu_mode):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    torchcaffe.set_mode_gpu()
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.benchmark


def test_a_net_that_the_device_cannot_hold_is_refused(gpu_mode, monkeypatch):
    class Small:
        total_memory = 5000

    monkeypatch.setattr(device.gpus(), "get_device_properties", lambda device: Small, raising=False)
    with pytest.raises(InputError, match=r'layer "conv".*but there are 0.0 GB of memory'):
        make_net(NET.replace("num_output: 4", "num_output: 64"))


def test_gpus_that_are_not_there_are_refused(gpu_mode):
    count = device.gpu_count()
    with pytest.raises(InputError, match=f"GPU {count} was requested, but there are {count}"):
        torchcaffe.set_device(count)
    with pytest.raises(InputError, match="GPU -1 was requested"):
        torchcaffe.set_device(-1)


def test_gpu_mode_without_a_gpu_says_what_to_do(monkeypatch):
    monkeypatch.setattr(device.gpus(), "is_available", lambda: False)
    with pytest.raises(InputError, match="PyTorch finds no CUDA device here; use CPU mode"):
        torchcaffe.set_mode_gpu()
    assert device.current_device().type == "cpu"


def test_a_timer_waits_for_the_device(gpu_mode, monkeypatch):
    waited = []
    monkeypatch.setattr(device.gpus(), "synchronize", waited.append, raising=False)
    timer = torchcaffe.Timer()
    timer.start()
    timer.stop()
    assert waited == [device.current_device()] * 2
