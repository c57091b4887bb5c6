"""Runs the engine's tests in GPU mode too: on CUDA where there is a CUDA device, else on the
simulated device of `simulated_accelerator`. A module or test asks for it with the mark
`both_modes`; `both_modes(slow_on_gpu=True)` moves the second run to the full tier.
"""

import socket

import pytest
import simulated_accelerator
import torch

import torchcaffe
from torchcaffe.core import device, process
from torchcaffe.solvers import joining

ACCELERATOR = "cuda" if torch.cuda.is_available() else simulated_accelerator.NAME


def pytest_generate_tests(metafunc):
    asked = metafunc.definition.get_closest_marker("both_modes")
    if asked is not None:
        marks = [pytest.mark.slow] if asked.kwargs.get("slow_on_gpu") else []
        modes = ["cpu", pytest.param(ACCELERATOR, marks=marks)]
        metafunc.parametrize("mode", modes, indirect=True)


@pytest.fixture(autouse=True)
def mode(request, monkeypatch):
    """The kind of device that a test's nets live on; CPU mode unless the test asks for both."""
    kind = getattr(request, "param", "cpu")
    if kind != "cpu":
        monkeypatch.setattr(device, "GPU", kind)
        torchcaffe.set_device(0)
        torchcaffe.set_mode_gpu()
    yield kind
    torchcaffe.set_mode_cpu()


@pytest.fixture
def gpu_mode(monkeypatch):
    """GPU mode, on CUDA or on the simulated device."""
    monkeypatch.setattr(device, "GPU", ACCELERATOR)
    torchcaffe.set_device(0)
    torchcaffe.set_mode_gpu()


@pytest.fixture
def launched(monkeypatch):
    """Makes this process the only one that torchrun has started; returns what torchrun sets.

    Rank and number of solvers are other ones until it joins.
    """
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = place.getsockname()[1]
    values = {
        "TORCHELASTIC_RUN_ID": "x",
        "RANK": 0,
        "WORLD_SIZE": 1,
        "LOCAL_RANK": 0,
        "LOCAL_WORLD_SIZE": 1,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    monkeypatch.setattr(process, "_count", 3)
    monkeypatch.setattr(process, "_rank", 2)
    monkeypatch.setattr(process, "_sync_batch_norm", False)
    monkeypatch.setattr(joining, "end_with_parent", lambda: None)
    return values
