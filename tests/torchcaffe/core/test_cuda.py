"""What only a CUDA device can show: its kernels' precision, its memory, its clock, several of it.

The other tests of GPU mode run on CUDA too where there is a device (see conftest.py).
"""

import numpy as np
import pytest
import torch

import torchcaffe
from caffeformat import parse_text, pb
from torchcaffe.__main__ import main
from torchcaffe.core import budget, device

pytestmark = pytest.mark.gpu

CONVOLUTION = """
layer {{ name: "x" type: "Input" top: "x"
  input_param {{ shape {{ dim: 1 dim: {channels} dim: {size} dim: {size} }} }} }}
layer {{ name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param {{ num_output: {channels} kernel_size: 3 pad: 1 bias_term: false
    weight_filler {{ type: "msra" }} }} }}
"""


@pytest.fixture(autouse=True)
def on_cuda(gpu_mode):
    """Every test here is one of GPU mode."""


def make_net(channels, size):
    text = CONVOLUTION.format(channels=channels, size=size)
    return torchcaffe.Net(net_param=parse_text(text, pb.NetParameter), phase=torchcaffe.TEST)


def test_convolutions_and_products_keep_every_bit_of_float32():
    """With TensorFloat-32 the error would be a thousand times as large."""
    net = make_net(256, 32)
    x = np.random.RandomState(0).randn(1, 256, 32, 32).astype(np.float32)
    top = net.forward(x=x)["conv"]
    weight = torch.from_numpy(net.params["conv"][0].data.astype(float))
    exact = torch.conv2d(torch.from_numpy(x.astype(float)), weight, padding=1).numpy()
    assert np.abs(top - exact).max() < 2e-5 * np.abs(exact).max()
    a = torch.randn(512, 512, device=device.current_device())
    error = (a @ a).double() - a.double() @ a.double()
    assert float(error.abs().max()) < 1e-3


def test_an_array_waits_for_the_layers_that_fill_it():
    net = make_net(512, 128)
    x = np.random.RandomState(0).randn(1, 512, 128, 128).astype(np.float32)
    held = net.blobs["conv"].data
    for _ in range(10):
        net.blobs["x"].data[...] = x
        net.run_forward()
    now = held.copy()
    torch.cuda.synchronize()
    np.testing.assert_array_equal(now, net.blobs["conv"].tensor().cpu())


def test_the_memory_that_nets_must_fit_in_is_the_gpus():
    assert budget.available(device.current_device()) == torch.cuda.mem_get_info(0)[1]


def test_timing_is_that_of_the_gpus_work(tmp_path, capfd):
    """Each layer is waited for: they take about as long as the whole."""
    path = tmp_path / "net.prototxt"
    path.write_text(CONVOLUTION.format(channels=512, size=128))
    assert main(["time", f"-model={path}", "-phase=TEST", "-iterations=5", "-gpu=0"]) == 0
    lines = capfd.readouterr().err.splitlines()
    (whole,) = (float(line.split()[-2]) for line in lines if "Average Forward pass:" in line)
    (layer,) = (float(line.split()[-2]) for line in lines if "conv\tforward:" in line)
    assert layer == pytest.approx(whole, rel=0.5)


def test_random_numbers_are_those_of_the_seed():
    drawn = []
    for seed in (1, 1, 2):
        torchcaffe.set_random_seed(seed)
        drawn.append(make_net(8, 4).params["conv"][0].data.copy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
