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
    side, window = (caught.value.options[name] for name in ("scale_to", "window"))
    memory.check_memory(net, {"data": (1, 3, side // 2, side)}, "scaled")
    memory.check_memory(net, {"data": (1, 3, window, window)}, "a window")
    said = caught.value.for_command_line({"scale_to": "--scale-to", "window": "--window"})
    assert said.endswith(f"free: pass --scale-to {side}, or --window {window}")
    # Commands without one of the options do not name it.
    said = caught.value.for_command_line({"scale_to": "--scale-to"})
    assert said.endswith(f"free: pass --scale-to {side}")
    assert caught.value.for_command_line({"net": "--net"}).endswith("free: pass a smaller image")


def test_several_images_at_a_time_count(monkeypatch):
    net = parse_text(NET, pb.NetParameter)
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 20)
    memory.check_memory(net, {"data": (2, 3, 100, 100)}, "two")
    with pytest.raises(InputError, match=r"a\.jpg and 3 more: 8 images of 100x100 need") as caught:
        memory.check_memory(net, {"data": (8, 3, 100, 100)}, "a.jpg and 3 more")
    count = caught.value.options["batch"]
    assert count >= 1
    memory.check_memory(net, {"data": (count, 3, 100, 100)}, "fewer")
    with pytest.raises(InputError, match=r"scale_to=.*window="):
        memory.check_memory(net, {"data": (2, 3, 4000, 4000)}, "one is too large")
