"""Layers that a script defines or imports run; those of other modules need its permission."""

import subprocess
import sys
import textwrap

import pytest

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


def _run(folder, module, script, *flags, name="script.py"):
    (folder / "net.prototxt").write_text(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 } } } '
        'layer { name: "y" type: "Python" bottom: "x" top: "y" '
        f'python_param {{ module: "{module}" layer: "Tenfold" }} }}'
    )
    (folder / "own_layers.py").write_text(LAYER)
    (folder / name).write_text(textwrap.dedent(script))
    return subprocess.run(
        [sys.executable, "-m", "torchcaffe", *flags, name],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("module", "script"),
    [
        ("own_layers", "import caffe, own_layers" + RUN),
        ("__main__", LAYER + RUN),
        ("script", LAYER + RUN),  # the script under its own name, as pycaffe imports it
    ],
)
def test_layers_of_the_program_run(tmp_path, module, script):
    result = _run(tmp_path, module, script)
    assert (result.stdout, result.stderr) == ("20.0\n", "")


def test_layers_of_other_modules_need_permission(tmp_path):
    script = "import caffe" + RUN
    result = _run(tmp_path, "own_layers", script)
    assert result.returncode == 1 and result.stdout == ""
    assert 'module "own_layers", which is not allowed' in result.stderr
    assert "import it or call" in result.stderr and "before the name of a script" in result.stderr
    for flags in (("-allow_python", "own_layers"), ("--allow_python=other,own_layers",)):
        assert _run(tmp_path, "own_layers", script, *flags).stdout == "20.0\n"


def test_flag_without_modules_is_an_error(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "torchcaffe", "-allow_python"], capture_output=True, text=True
    )
    assert result.returncode == 1 and "-allow_python needs a value: modules" in result.stderr
