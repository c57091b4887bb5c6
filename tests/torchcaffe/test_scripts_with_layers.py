"""Layers that a script defines or imports run; those of other modules need its permission."""

import subprocess
import sys
import textwrap

import pytest
from own_processes import module

import torchcaffe
from torchcaffe.__main__ import main

LAYER = """
import caffe

class Tenfold(caffe.Layer):
    def __init__(self, parameter, *rest):  # as in pycaffe, where layers are made with their message
        super().__init__(parameter, *rest)
        self.kind = parameter.type

    def setup(self, bottom, top):
        assert self.kind == "Python"

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = 10 * bottom[0].data
"""
RUN = """
if __name__ == "__main__":
    net = caffe.Net("net.prototxt", caffe.TEST)
    net.blobs["x"].data[...] = 2
    print(net.forward()["y"].sum())
"""


def _write(folder, of_module, script):
    (folder / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } '
        'layer { name: "y" type: "Python" bottom: "x" top: "y" '
        f'python_param {{ module: "{of_module}" layer: "Tenfold" }} }}'
    )
    (folder / "own_layers.py").write_text(LAYER)
    (folder / "script.py").write_text(textwrap.dedent(script))


def _run(folder, of_module, script, *flags):
    _write(folder, of_module, script)
    return subprocess.run(
        module("torchcaffe", *flags, "script.py"),
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "script"),
    [
        ("own_layers", "import caffe, own_layers" + RUN),
        pytest.param("__main__", LAYER + RUN, marks=pytest.mark.slow),
        # the script under its own name, as pycaffe imports it
        pytest.param("script", LAYER + RUN, marks=pytest.mark.slow),
    ],
)
def test_layers_of_the_program_run(tmp_path, module, script):
    result = _run(tmp_path, module, script)
    assert (result.stdout, result.stderr) == ("20.0\n", "")


def test_layers_of_other_modules_need_permission(tmp_path, monkeypatch, capsys):
    for name, value in (("argv", sys.argv), ("path", list(sys.path))):
        monkeypatch.setattr(sys, name, value)
    monkeypatch.setitem(sys.modules, "caffe", torchcaffe)
    monkeypatch.chdir(tmp_path)
    _write(tmp_path, "unasked_layers", "import caffe" + RUN)
    (tmp_path / "own_layers.py").rename("unasked_layers.py")
    assert main(["script.py"]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "unasked_layers" not in sys.modules
    assert 'module "unasked_layers", which is not allowed' in told.err
    assert "import it or call" in told.err and "before the name of a script" in told.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags", [("-allow_python", "own_layers"), ("--allow_python=other,own_layers",)]
)
def test_permission_is_given_before_the_script(tmp_path, flags):
    script = "import caffe" + RUN
    assert _run(tmp_path, "own_layers", script, *flags).stdout == "20.0\n"


def test_flag_without_modules_is_an_error(capsys):
    assert main(["-allow_python"]) == 1
    assert "-allow_python needs a value: modules" in capsys.readouterr().err
