"""What loading a caffemodel takes beside the net it is loaded into."""

import re
from pathlib import Path

import numpy as np
import pytest

import torchcaffe
from caffeformat import Weights, parse_text, pb, write_caffemodel
from torchcaffe.core import mapped

INPUTS, OUTPUTS = 2048, 8192  # 64 MiB of weights
TEXT = f"""
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: 1 dim: {INPUTS} }} }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param {{ num_output: {OUTPUTS} }} }}
"""


def resident(what):
    """A memory figure of this process in bytes: VmRSS now, VmHWM at its peak."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(rf"{what}:\s+(\d+)", status).group(1)) * 1024


def reset_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pytest.skip("this system does not let a process reset its peak memory")


@pytest.fixture
def file(tmp_path):
    values = np.arange(OUTPUTS * INPUTS, dtype=np.float32).reshape(OUTPUTS, INPUTS)
    bias = np.arange(OUTPUTS, dtype=np.float32)
    path = str(tmp_path / "w.caffemodel")
    write_caffemodel(path, Weights({"fc": [values, bias]}))
    return path, values


@pytest.mark.slow
def test_loading_into_a_filled_net_needs_no_second_copy(file):
    path, values = file
    net = torchcaffe.Net(net_param=parse_text(TEXT, pb.NetParameter), phase=torchcaffe.TEST)
    reset_peak()
    before = resident("VmRSS")
    net.copy_from(path)
    assert resident("VmHWM") - before < values.nbytes / 2
    np.testing.assert_array_equal(net.params["fc"][0].data, values)


@pytest.mark.slow
def test_an_array_in_somebodys_hands_stays_live_when_weights_are_loaded(file):
    path, values = file
    net = torchcaffe.Net(net_param=parse_text(TEXT, pb.NetParameter), phase=torchcaffe.TEST)
    held = net.params["fc"][0].data
    net.copy_from(path)
    np.testing.assert_array_equal(held, values)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 17])
def test_pieces_join_without_a_seam(monkeypatch, count):
    monkeypatch.setattr(mapped, "PIECE", 8)
    source, target = np.arange(1, count + 1, dtype=np.float32), np.zeros((1, count), np.float32)
    mapped.move_out(source, target)
    np.testing.assert_array_equal(target[0], source)


def test_what_was_changed_in_a_private_mapping_stays(tmp_path):
    """Its pages are the only place that has it: they must not be given back."""
    np.zeros(1 << 16, np.float32).tofile(tmp_path / "zeros")
    source = np.memmap(tmp_path / "zeros", np.float32, "c")
    source[:] = 1
    mapped.move_out(source, np.empty(source.shape, np.float32))
    assert source.all()
