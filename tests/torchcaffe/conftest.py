"""Runs tests of the engine a second time in GPU mode: on CUDA where there is a CUDA device, else on
the make-believe device of `simulated_accelerator`.
"""

import pytest
import simulated_accelerator
import torch

import torchcaffe
from torchcaffe.core import device

ACCELERATOR = "cuda" if torch.cuda.is_available() else simulated_accelerator.NAME

# All tests of these modules build their nets by the mode that is set.
IN_BOTH_MODES = {
    "test_bad_input",
    "test_data_layer",
    "test_field_effects",
    "test_file_layers",
    "test_fork_interp",
    "test_fork_layers",
    "test_fusion",
    "test_golden_layers",
    "test_golden_networks",
    "test_golden_training",
    "test_infogain",
    "test_live_arrays",
    "test_net",
    "test_normalization",
    "test_pooling",
    "test_pycaffe_golden",
    "test_python_layers",
    "test_seldom_settings",
    "test_solver",
}

# Modules and tests that take seconds in GPU mode, where a shorter test goes the same ways.
SLOW = {
    "test_a_net_that_memory_cannot_hold_is_refused_before_it_is_made",
    "test_field_effects",
    "test_golden_networks",
    "test_golden_training",
    "test_stochastic_pooling_draws_by_the_values_while_training",
}


def pytest_generate_tests(metafunc):
    names = {metafunc.module.__name__, metafunc.function.__name__}
    if names & IN_BOTH_MODES:
        marks = [pytest.mark.full] if names & SLOW else []
        modes = ["cpu", pytest.param(ACCELERATOR, marks=marks)]
        metafunc.parametrize("mode", modes, indirect=True)


@pytest.fixture(autouse=True)
def mode(request, monkeypatch):
    """The kind of device on which a test's nets live; CPU mode where a test says nothing."""
    kind = getattr(request, "param", "cpu")
    if kind != "cpu":
        monkeypatch.setattr(device, "GPU", kind)
        torchcaffe.set_device(0)
        torchcaffe.set_mode_gpu()
    yield kind
    torchcaffe.set_mode_cpu()


@pytest.fixture
def gpu_mode(monkeypatch):
    """GPU mode, whatever stands in for the GPU here."""
    monkeypatch.setattr(device, "GPU", ACCELERATOR)
    torchcaffe.set_device(0)
    torchcaffe.set_mode_gpu()
