import pytest

from caffeformat import InputError, parse_text, pb
from fcnkit.engine import memory

NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a"
  convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b"
  convolution_param { num_output: 1 kernel_size: 1 } }
layer { name: "c" type: "Convolution" bottom: "b" top: "c"
  convolution_param { num_output: 2 kernel_size: 1 } }
"""


def test_all_blobs_count_or_only_those_in_use():
    net = parse_text(NET, pb.NetParameter)
    shapes = {"data": (1, 3, 10, 10)}
    assert memory.blob_bytes(net, shapes) == 4 * 100 * (3 + 4 + 1 + 2)
    assert memory.blob_bytes(net, shapes, lean=True) == 4 * 100 * (3 + 4)


def test_too_little_memory_is_told_with_a_size_that_fits(monkeypatch):
    net = parse_text(NET, pb.NetParameter)
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 20)
    memory.check_memory(net, {"data": (1, 3, 100, 100)}, "small")
    with pytest.raises(InputError) as caught:
        memory.check_memory(net, {"data": (1, 3, 400, 800)}, "large.jpg")
    assert "large.jpg: 800x400" in str(caught.value)
    side = int(str(caught.value).split("scale_to=")[1])
    memory.check_memory(net, {"data": (1, 3, side // 2, side)}, "scaled")
