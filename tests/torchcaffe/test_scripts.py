"""Scripts written for pycaffe run unchanged: `python -m torchcaffe script.py`."""

import subprocess
import sys

import pytest
from own_processes import module

import torchcaffe
from torchcaffe import coord_map, layers
from torchcaffe.__main__ import main

SCRIPT = """
import sys
import numpy as np
import caffe
import caffe.proto.caffe_pb2
from caffe import layers as L, params as P
from caffe.coord_map import crop
from caffe.io import Transformer
from caffe.proto import caffe_pb2 as pb2

n = caffe.NetSpec()
n.data = L.Input(shape=dict(dim=[1, 3, 20, 24]))
n.conv = L.Convolution(n.data, num_output=2, kernel_size=4, pad=8, stride=4)
n.pool = L.Pooling(n.conv, pool=P.Pooling.MAX, kernel_size=1)
n.up = L.Deconvolution(n.pool, convolution_param=dict(num_output=2, kernel_size=4, stride=4))
n.score = crop(n.up, n.data)
with open(sys.argv[1], "w") as f:
    f.write(str(n.to_proto()))
caffe.set_mode_cpu()
net = caffe.Net(sys.argv[1], caffe.TEST)
assert caffe.proto.caffe_pb2.NetParameter is pb2.NetParameter
assert isinstance(net.blobs["data"], caffe.Blob)
print(net.forward()["score"].shape, __name__)
"""


@pytest.mark.slow
def test_script_that_imports_caffe_runs(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    result = subprocess.run(
        module("torchcaffe", tmp_path / "script.py", tmp_path / "net.prototxt"),
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.stderr) == ("(1, 2, 20, 24) __main__\n", "")


@pytest.mark.slow
def test_a_command_does_not_run_a_module_next_to_a_net(tmp_path):
    """`voc_layers` may run unasked: Berkeley's that is installed, not one that came with a net."""
    (tmp_path / "voc_layers.py").write_text("raise SystemExit('this module ran')")
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "Python" top: "d" '
        'python_param { module: "voc_layers" layer: "VOCSegDataLayer" } }'
    )
    result = subprocess.run(
        [sys.executable, "-m", "torchcaffe", "time", "-model=net.prototxt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "this module ran" not in result.stderr
    assert "layer 'd' (VOCSegDataLayer): param_str" in result.stderr


def test_error_for_people_ends_a_script_without_traceback(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "caffe", torchcaffe)
    script = tmp_path / "script.py"
    script.write_text("import caffe; caffe.Net('nowhere.prototxt', caffe.TEST)")
    assert main([str(script)]) == 1
    assert capsys.readouterr().err.startswith("error: nowhere.prototxt")
    assert main([str(tmp_path / "missing.py")]) == 1
    assert "no such script" in capsys.readouterr().err
    assert main([]) == 2


def test_crop_aligns_what_deconvolution_made_larger():
    data = layers.Input(shape={"dim": [1, 3, 64, 64]})
    down = layers.Convolution(data, num_output=1, kernel_size=4, stride=4, pad=8)
    param = {"num_output": 1, "kernel_size": 4, "stride": 4}
    up = layers.Deconvolution(down, convolution_param=param)
    net = torchcaffe.to_proto(coord_map.crop(up, data))
    assert list(net.layer[-1].crop_param.offset) == [8]


def test_layers_module_offers_only_layer_types():
    with pytest.raises(AttributeError):
        _ = layers.no_such_family


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import caffe\nprint 'loading', 1\n", 2),
        ("try:\n    pass\nexcept ValueError, error:\n    pass\n", 3),
        ("mode = 0755\n", 1),
        ("if 1:\n        a = 1\n\tb = 2\n", 3),
    ],
)
def test_python_2_scripts_are_named_as_such(tmp_path, capsys, source, line):
    script = tmp_path / "old.py"
    script.write_text(source)
    assert main([str(script)]) == 1
    found = capsys.readouterr().err
    assert f"{script}:{line}: a Python 2 script" in found
    assert "2to3 -w" in found


def test_other_mistakes_in_scripts_are_pythons_to_report(tmp_path):
    (tmp_path / "wrong.py").write_text("x = (1\n")
    with pytest.raises(SyntaxError):
        main([str(tmp_path / "wrong.py")])


@pytest.mark.slow
def test_a_script_imports_from_its_own_folder_only(tmp_path):
    """As `python script.py`: not from the working folder, nor from this program's."""
    (tmp_path / "real").mkdir()
    (tmp_path / "here").mkdir()
    for name in ("numpy", "torch", "wave", "sched"):
        (tmp_path / "here" / f"{name}.py").write_text("raise SystemExit('this module ran')")
    (tmp_path / "real" / "sched.py").write_text("WHERE = 'beside the script'")
    (tmp_path / "real" / "script.py").write_text(
        "import sys, caffe, wave, sched\nprint(sys.path[0], sched.WHERE, sys.argv[1:])"
    )
    (tmp_path / "link.py").symlink_to("real/script.py")
    result = subprocess.run(
        module("torchcaffe", tmp_path / "link.py", "a"),
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
    )
    real = tmp_path / "real"
    assert (result.stdout, result.stderr) == (f"{real} beside the script ['a']\n", "")
