"""Runs the engine's tests in GPU mode too: on CUDA where there is a CUDA device, else on the
simulated device of `simulated_accelerator`. A module or test asks for it with the mark
`both_modes`; `both_modes(slow_on_gpu=True)` moves the second run to the full tier.
"""

import pytest
import simulated_accelerator
import torch

import torchcaffe
from torchcaffe.core import device

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
