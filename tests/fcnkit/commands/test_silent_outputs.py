"""A net whose result goes into a Silence layer: commands say which blob to choose, and take it."""

import numpy as np
import pytest
from PIL import Image

from caffeformat import write_caffemodel
from fcnkit.commands import main

NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 9 }
layer { name: "c" type: "Convolution" bottom: "data" top: "ab"
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "end" type: "Silence" bottom: "ab" }
"""


@pytest.fixture
def silent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    weights = {"c": [np.ones((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)]}
    write_caffemodel("net.caffemodel", weights)
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save("a.png")


COMMANDS = {
    "infer": (["a.png", "-o", "out", "--net", "net.prototxt", "--weights", "net.caffemodel"],
              ["--output-blob", "ab"]),
    "export": (["net.prototxt", "net.caffemodel", "out.onnx"], ["--blob", "ab"]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_blob_is_named_and_can_be_chosen(silent, needs_engine, capsys, command):
    if command == "export":
        pytest.importorskip("onnxruntime")
    arguments, choice = COMMANDS[command]
    module = f"fcnkit.commands.{command}"
    assert main.run_module(module, arguments) == 1
    said = capsys.readouterr().err
    assert "ab" in said and choice[0] in said and "are :" not in said
    assert main.run_module(module, [*arguments, *choice]) == 0
